import { type Hsm, type HsmCapability, hsmCapabilities } from './hsm.ts';

/** What goes to the HSM for signatures; everything else goes to the other. */
const signingCapabilities: readonly HsmCapability[] = [
  'generate-rsa-key-pair',
  'generate-ec-key-pair',
  'sign',
  'verify-signature',
];

/**
 * One `Hsm` of two, where one alone cannot do all: `signing` makes the key pairs that sign and signs with them, `keys`
 * does all else, TR-34 tokens with their key pair included. Which one does what is fixed: none stands in for the other,
 * and what the right one lacks is refused.
 */
export function withSigningHsm(keys: Hsm, signing: Hsm): Hsm {
  const responsible = (capability: HsmCapability): Hsm =>
    signingCapabilities.includes(capability) ? signing : keys;
  return {
    name: `${keys.name}; for signatures ${signing.name}`,
    capabilities: new Set(hsmCapabilities.filter((each) => responsible(each).capabilities.has(each))),
    ...methodsOf(signing, ['generateEcKeyPair', 'sign', 'verifySignature']),
    ...methodsOf(keys, [
      'random',
      'generateKey',
      'formKeyFromComponents',
      'checkValue',
      'exportInitialKey',
      'exportKey',
      'importKey',
      'exportTr34',
      'operationCount',
      'encrypt',
      'decrypt',
      'generateMac',
      'verifyMac',
      'requestCertificate',
      'status',
      'auditRecords',
      'acknowledgeAuditRecords',
    ]),
    generateRsaKeyPair: (request) =>
      (request.use === 'signature' ? signing : keys).generateRsaKeyPair(request),
    async diagnostics() {
      const [ofKeys, ofSigning] = await Promise.all([keys.diagnostics(), signing.diagnostics()]);
      return { ...ofKeys, firmware: `${ofKeys.firmware}; for signatures ${ofSigning.firmware}` };
    },
    async close() {
      await Promise.all([keys.close(), signing.close()]);
    },
  };
}

function methodsOf<Name extends keyof Hsm>(hsm: Hsm, names: readonly Name[]): Pick<Hsm, Name> {
  const bound = names.map((name) => [name, (hsm[name] as (...parameters: never[]) => unknown).bind(hsm)]);
  return Object.fromEntries(bound) as Pick<Hsm, Name>;
}
