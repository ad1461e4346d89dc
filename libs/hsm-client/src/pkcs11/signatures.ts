import type { KeyObject } from 'node:crypto';
import type { HsmError } from '../errors.ts';
import type { SignRequest, VerifySignatureRequest } from '../hsm.ts';
import { CKM } from './constants.ts';
import { mechanismOf } from './cryptoki.ts';
import { signatureFromDer, signatureToDer } from './ecdsa-signature.ts';
import { findPrivateKey, withPublicKey } from './key-pairs.ts';
import type { Session } from './token.ts';

/** The longest signature: RSA of 4096 bits. */
const MAX_SIGNATURE_BYTES = 512;

const SHA256_BYTES = 32;

/** CKM_ECDSA signs a digest, which the token makes too: SoftHSM 2.6.1 has no mechanism for both. */
export async function sign(session: Session, request: SignRequest): Promise<Uint8Array> {
  const { cryptoki, handle } = session;
  const isEc = request.algorithm === 'EC';
  const privateKey = await findPrivateKey(session, request.privateKey);
  const data = isEc ? await sha256(session, request.data) : request.data;
  const signature = new Uint8Array(MAX_SIGNATURE_BYTES);
  const length: [number] = [signature.length];
  await cryptoki.call('C_SignInit', handle, mechanismOf(isEc ? CKM.ECDSA : CKM.SHA256_RSA_PKCS), privateKey);
  await cryptoki.call('C_Sign', handle, data, data.length, signature, length);
  const signed = signature.slice(0, length[0]);
  return isEc ? signatureToDer(signed) : signed;
}

/** What the token answers to a signature that does not verify. */
const doesNotVerify: readonly (string | undefined)[] = ['CKR_SIGNATURE_INVALID', 'CKR_SIGNATURE_LEN_RANGE'];

export async function verifySignature(
  session: Session,
  publicKey: KeyObject,
  request: VerifySignatureRequest,
): Promise<boolean> {
  const { cryptoki, handle } = session;
  const isEc = publicKey.asymmetricKeyType === 'ec';
  const signature = isEc ? signatureFromDer(request.signature) : request.signature;
  if (signature === undefined) return false;
  const data = isEc ? await sha256(session, request.data) : request.data;
  return withPublicKey(session, publicKey, async (key) => {
    await cryptoki.call('C_VerifyInit', handle, mechanismOf(isEc ? CKM.ECDSA : CKM.SHA256_RSA_PKCS), key);
    const verified = cryptoki.call('C_Verify', handle, data, data.length, signature, signature.length);
    return verified.then(
      () => true,
      (error: HsmError) => {
        if (doesNotVerify.includes(error.answer)) return false;
        throw error;
      },
    );
  });
}

async function sha256({ cryptoki, handle }: Session, data: Uint8Array): Promise<Uint8Array> {
  const digest = new Uint8Array(SHA256_BYTES);
  await cryptoki.call('C_DigestInit', handle, mechanismOf(CKM.SHA256));
  await cryptoki.call('C_Digest', handle, data, data.length, digest, [digest.length]);
  return digest;
}
