import {
  assembleKeyToken,
  issuerAndSerialNumber,
  parseCrl,
  rsaPublicKey,
  Tr34Error,
} from '@openkdh/tr34/tokens';
import { HsmError } from '../errors.ts';
import {
  type ExportTr34Request,
  type Hsm,
  type HsmCapability,
  hsmCapabilities,
  type Tr34Token,
  type VerifySignatureRequest,
} from '../hsm.ts';
import { requirePublicKey } from '../request-checks.ts';
import { acknowledgeAuditRecords, auditRecords, operationCount } from './audit-commands.ts';
import { badRequest, type Command, requireRange } from './command.ts';
import type { HsmTls } from './connection.ts';
import { cipherCommand, generateMac, MAC_DOES_NOT_VERIFY, verifyMac } from './data-commands.ts';
import { formatEndpoint, type PayShieldEndpoint } from './endpoint.ts';
import {
  checkValue,
  exportInitialKey,
  exportKey,
  formKeyFromComponents,
  generateKey,
  importKey,
} from './key-commands.ts';
import { exportTr34, generateEcKeyPair, generateRsaKeyPair } from './key-pair-commands.ts';
import type { HsmLogger } from './log.ts';
import { Pool } from './pool.ts';
import {
  importPublicKey,
  requestCertificate,
  SIGNATURE_DOES_NOT_VERIFY,
  sign,
  verifySignature,
} from './signature-commands.ts';
import { diagnostics, instantaneousStatus, random } from './status-commands.ts';

/** By commands that a payShield does not have. */
const extensions: readonly HsmCapability[] = ['operation-count', 'audit-log'];

export interface PayShieldOptions {
  /** HSMs that hold the same LMK, in order of preference. */
  endpoints: readonly PayShieldEndpoint[];
  /** For `tls` endpoints. */
  tls?: HsmTls;
  /** Sockets kept open, 1 to 64. Default 2. */
  connections?: number;
  /** Deadline of a call; twelve times that for an RSA key pair. Default 5000. */
  timeoutMs?: number;
  /** 6 hex digits, or the 16 of NC. Left out: the first HSM that answers sets it. */
  expectedLmkCheckValue?: string;
  /** 0 to 99. Left out: the HSM's default LMK, or the one tied to the port. */
  lmkId?: number;
  logger?: HsmLogger;
}

/**
 * The adapter for what speaks payShield host commands: a payShield 10K, and the soft HSM. Nothing here was ever run
 * against a payShield; see docs/hsm.md.
 *
 * Resolves when the first HSM answered and holds the expected LMK; throws HSM_UNREACHABLE or HSM_WRONG_LMK when every
 * one was tried once in vain. From then on lost connections are made again by themselves.
 */
export async function connectPayShield(options: PayShieldOptions): Promise<Hsm> {
  const { endpoints, tls, connections = 2, timeoutMs = 5000, expectedLmkCheckValue, lmkId, logger } = options;
  if (endpoints.length === 0) throw badRequest('endpoints: expected one at least');
  if (endpoints.some(({ transport }) => transport === 'tls') && tls === undefined) {
    throw badRequest('tls: expected a client certificate, its key and a CA for an endpoint with TLS');
  }
  requireRange(connections, 1, 64, 'connections');
  requireRange(timeoutMs, 1, 600_000, 'timeoutMs');
  if (lmkId !== undefined) requireRange(lmkId, 0, 99, 'lmkId');
  if (expectedLmkCheckValue !== undefined && !/^[0-9A-F]{6}([0-9A-F]{10})?$/.test(expectedLmkCheckValue)) {
    throw badRequest('expectedLmkCheckValue: expected 6 or 16 upper-case hex digits');
  }

  const pool = new Pool({
    endpoints,
    tls,
    connections,
    timeoutMs,
    expectedLmkCheckValue: expectedLmkCheckValue?.slice(0, 6),
    lmkId,
    log: logger,
  });
  await pool.start();
  const hasExtensions = await pool.execute(operationCount()).then(
    () => true,
    async (error: HsmError) => {
      if (error.code === 'HSM_REFUSED') return false;
      await pool.close();
      throw error;
    },
  );
  /** `command` where the extensions are there. */
  const extension = async <Result>(make: () => Command<Result>): Promise<Result> => {
    if (!hasExtensions) throw new HsmError('HSM_UNSUPPORTED', 'a payShield does not let its log be fetched');
    return pool.execute(make());
  };

  return {
    name: `payShield commands at ${endpoints.map(formatEndpoint).join(', ')}`,
    capabilities: new Set(hsmCapabilities.filter((each) => hasExtensions || !extensions.includes(each))),
    diagnostics: () => pool.execute(diagnostics(lmkId)),
    random: async (lengthBytes) => pool.execute(random(lengthBytes)),
    generateKey: async (request) => pool.execute(generateKey(request, lmkId)),
    formKeyFromComponents: async (components) => pool.execute(formKeyFromComponents(components, lmkId)),
    checkValue: async (key) => pool.execute(checkValue(key, lmkId)),
    exportInitialKey: async (request) => pool.execute(exportInitialKey(request, lmkId)),
    exportKey: async (request) => pool.execute(exportKey(request, lmkId)),
    importKey: async (request) => pool.execute(importKey(request, lmkId)),
    generateRsaKeyPair: async (request) => pool.execute(generateRsaKeyPair(request, lmkId)),
    generateEcKeyPair: async () => pool.execute(generateEcKeyPair(lmkId)),
    sign: async (request) => pool.execute(sign(request, lmkId)),
    exportTr34: async (request) => exportTr34Token(pool, request, lmkId, hasExtensions),
    encrypt: async (request) => pool.execute(cipherCommand('encrypt', request, lmkId)),
    decrypt: async (request) => pool.execute(cipherCommand('decrypt', request, lmkId)),
    generateMac: async (request) => pool.execute(generateMac(request, lmkId)),
    verifyMac: async (request) => verdict(pool.execute(verifyMac(request, lmkId)), MAC_DOES_NOT_VERIFY),
    verifySignature: async (request) => signatureVerifies(pool, request, lmkId),
    requestCertificate: async (request) => pool.execute(requestCertificate(request, lmkId)),
    status: async () => pool.execute(instantaneousStatus()),
    operationCount: async () => (hasExtensions ? pool.execute(operationCount()) : undefined),
    auditRecords: (fromSeq) => extension(() => auditRecords(fromSeq)),
    acknowledgeAuditRecords: (upToSeq) => extension(() => acknowledgeAuditRecords(upToSeq)),
    close: () => pool.close(),
  };
}

/** False where the HSM refuses with `doesNotVerify`; every other refusal is an error as ever. */
function verdict(work: Promise<void>, doesNotVerify: string): Promise<boolean> {
  return work.then(
    () => true,
    (error: HsmError) => {
      if (error.code === 'HSM_REFUSED' && error.answer === doesNotVerify) return false;
      throw error;
    },
  );
}

/** EO brings the public key under the LMK, where EY trusts it. Nothing of it is kept. */
async function signatureVerifies(
  pool: Pool,
  request: VerifySignatureRequest,
  lmkId: number | undefined,
): Promise<boolean> {
  const publicKey = requirePublicKey(request.publicKey);
  const keyBlock = await pool.execute(importPublicKey(publicKey, lmkId));
  return verdict(
    pool.execute(verifySignature(request, publicKey, keyBlock, lmkId)),
    SIGNATURE_DOES_NOT_VERIFY,
  );
}

/**
 * B8 makes the parts that need keys; the CMS around them is put together here. `judgesKrd`: the HSM is shown the KRD's
 * certificate.
 */
async function exportTr34Token(
  pool: Pool,
  request: ExportTr34Request,
  lmkId: number | undefined,
  judgesKrd: boolean,
): Promise<Tr34Token> {
  const { key, kdhPrivateKey, kdhCertificate, krdCertificate, krdCrls = [], nonce, versionId, crl } = request;
  const parties = refusingAs('HSM_BAD_REQUEST', () => {
    parseCrl(crl);
    return {
      kdhId: issuerAndSerialNumber(kdhCertificate),
      krdId: issuerAndSerialNumber(krdCertificate),
      krdPublicKey: rsaPublicKey(krdCertificate),
    };
  });
  const krdEvidence = judgesKrd ? { krdEvidence: { certificate: krdCertificate, crls: krdCrls } } : {};
  const command = exportTr34({ key, kdhPrivateKey, nonce, versionId, ...parties, ...krdEvidence }, lmkId);
  const { authenticatedAttributes, envelopedData, signature, kcv } = await pool.execute(command);
  const token = refusingAs('HSM_BAD_ANSWER', () =>
    assembleKeyToken({ authenticatedAttributes, envelopedData, signature, signer: parties.kdhId, crl }),
  );
  return { token, kcv };
}

function refusingAs<Result>(code: 'HSM_BAD_REQUEST' | 'HSM_BAD_ANSWER', work: () => Result): Result {
  try {
    return work();
  } catch (cause) {
    if (!(cause instanceof Tr34Error)) throw cause;
    throw new HsmError(code, `TR-34: ${cause.message}`, {
      mayHaveExecuted: code === 'HSM_BAD_ANSWER',
      cause,
    });
  }
}
