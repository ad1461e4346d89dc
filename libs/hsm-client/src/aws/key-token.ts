import { assembleKeyToken, parseKeyToken } from '@openkdh/tr34/tokens';

const SEQUENCE = 0x30;
const SET = 0x31;

/**
 * The key token with the CRL of the KDH's CA, which a KRD asks for and the service leaves out. CRLs stand outside what
 * is signed in a CMS, so the parts are put together again around this one. Throws Tr34Error.
 */
export function withCrl(token: Uint8Array, crl: Uint8Array): Uint8Array {
  const { signedData, signer, dialect } = parseKeyToken(token);
  const content = signedData.content!;
  return assembleKeyToken({
    authenticatedAttributes: derElement(SET, signedData.signer!.attributeBytes!),
    // The dialect of the service leaves out the tag and length of the SEQUENCE.
    envelopedData: content[0] === SEQUENCE ? content : derElement(SEQUENCE, content),
    signature: signedData.signer!.signature,
    signer,
    crl,
    dialect,
  });
}

/** Definite length; `content`: up to 65535 bytes, which is more than the service sends. */
function derElement(tag: number, content: Uint8Array): Uint8Array {
  const { length } = content;
  const lengthBytes =
    length < 0x80 ? [length] : length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff];
  return Uint8Array.of(tag, ...lengthBytes, ...content);
}
