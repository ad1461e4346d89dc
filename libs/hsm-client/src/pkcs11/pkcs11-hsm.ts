import { setMaxListeners } from 'node:events';
import { startDeadline } from '../deadline.ts';
import { HsmError } from '../errors.ts';
import type {
  GenerateRsaKeyPairRequest,
  Hsm,
  HsmCapability,
  HsmDiagnostics,
  KeyPair,
  SignRequest,
  VerifySignatureRequest,
} from '../hsm.ts';
import { requirePublicKey } from '../request-checks.ts';
import { UnsupportedHsm } from '../unsupported-hsm.ts';
import { CKF_RNG, CKM } from './constants.ts';
import { generateKeyPair, random } from './key-pairs.ts';
import { sign, verifySignature } from './signatures.ts';
import { type Session, Token, type TokenOptions } from './token.ts';

export interface Pkcs11Options {
  /** Path of the module, a shared library that runs in this process. */
  modulePath: string;
  /** Label of the token. */
  token: string;
  /** Reads the user's PIN, at each login; what it returns is wiped after use. */
  readPin: TokenOptions['readPin'];
  /** Calls that the token works on at once, 1 to 16. Default 4. */
  sessions?: number;
  /** Deadline of a call; twelve times that for an RSA key pair. Default 5000. */
  timeoutMs?: number;
}

/** Deadline of an RSA key pair, as a multiple of the ordinary one. */
const SLOW_FACTOR = 12;

/** What each capability needs of the token. */
const mechanismsOf: Partial<Record<HsmCapability, readonly number[]>> = {
  'generate-rsa-key-pair': [CKM.RSA_PKCS_KEY_PAIR_GEN, CKM.SHA256_RSA_PKCS],
  'generate-ec-key-pair': [CKM.EC_KEY_PAIR_GEN, CKM.ECDSA, CKM.SHA256],
  sign: [CKM.SHA256_RSA_PKCS, CKM.ECDSA, CKM.SHA256],
  'verify-signature': [CKM.SHA256_RSA_PKCS, CKM.ECDSA, CKM.SHA256],
};

/**
 * The adapter for a PKCS#11 token: signatures, key pairs for them, and random numbers. Nothing else: with the mechanisms
 * that tokens offer, a key cannot be derived and wrapped as TR-31 without passing through this process (docs/hsm-adapters.md).
 *
 * The token keeps the private keys. What the contract calls a private key is here a reference, a URI of RFC 7512 with
 * the id of the key. Private keys can neither be read nor wrapped.
 *
 * A call that is past its deadline, or under way when the client is closed, throws; its function in the module cannot
 * be stopped and ends when it ends, and only then does `close` resolve.
 *
 * Throws HSM_UNREACHABLE without the module or the token, HSM_REFUSED when the token does not take the PIN, which is
 * then never tried again.
 */
export async function openPkcs11(options: Pkcs11Options): Promise<Hsm> {
  const { modulePath, token: label, readPin, sessions = 4, timeoutMs = 5000 } = options;
  if (!Number.isInteger(sessions) || sessions < 1 || sessions > 16) {
    throw new HsmError('HSM_BAD_REQUEST', `sessions: expected a whole number from 1 to 16, got ${sessions}`);
  }
  const token = await Token.open({ modulePath, label, readPin, sessions });
  try {
    const [info, mechanisms] = await Promise.all([token.info(), token.mechanisms()]);
    const capabilities = new Set<HsmCapability>();
    if (info.flags & CKF_RNG) capabilities.add('random');
    for (const [capability, needed] of Object.entries(mechanismsOf)) {
      if (needed.every((mechanism) => mechanisms.has(mechanism)))
        capabilities.add(capability as HsmCapability);
    }
    return new Pkcs11Hsm(token, `PKCS#11 token ${label}`, capabilities, timeoutMs);
  } catch (error) {
    await token.close();
    throw error;
  }
}

class Pkcs11Hsm extends UnsupportedHsm {
  readonly name: string;
  readonly capabilities: ReadonlySet<HsmCapability>;
  readonly #token: Token;
  readonly #timeoutMs: number;
  readonly #closing = new AbortController();

  constructor(token: Token, name: string, capabilities: ReadonlySet<HsmCapability>, timeoutMs: number) {
    super();
    setMaxListeners(0, this.#closing.signal); // one for each call under way
    this.#token = token;
    this.name = name;
    this.capabilities = capabilities;
    this.#timeoutMs = timeoutMs;
  }

  /** Whether a token has a master key is not known. */
  override diagnostics(): Promise<HsmDiagnostics> {
    return this.#call('diagnostics', async () => {
      const { manufacturer, model, serialNumber, firmware } = await this.#token.info();
      return { lmkCheckValue: undefined, firmware: `${manufacturer} ${model} ${firmware} (${serialNumber})` };
    });
  }

  override async random(lengthBytes: number): Promise<Uint8Array> {
    this.#require('random');
    if (!Number.isInteger(lengthBytes) || lengthBytes < 1 || lengthBytes > 256) {
      throw new HsmError('HSM_BAD_REQUEST', `random: expected 1 to 256 bytes, got ${lengthBytes}`);
    }
    return this.#call('random', (session) => random(session, lengthBytes));
  }

  override async generateRsaKeyPair({ bits, use }: GenerateRsaKeyPairRequest): Promise<KeyPair> {
    this.#require('generate-rsa-key-pair');
    if (use !== 'signature') throw this.unsupported(`RSA key pairs for ${use}`);
    return this.#call('generateRsaKeyPair', (session) => generateKeyPair(session, { bits }), {
      repeatable: false,
      timeoutMs: this.#timeoutMs * SLOW_FACTOR,
    });
  }

  override async generateEcKeyPair(): Promise<KeyPair> {
    this.#require('generate-ec-key-pair');
    return this.#call('generateEcKeyPair', (session) => generateKeyPair(session, 'P-256'), {
      repeatable: false,
    });
  }

  override async sign(request: SignRequest): Promise<Uint8Array> {
    this.#require('sign');
    return this.#call('sign', (session) => sign(session, request));
  }

  override async verifySignature(request: VerifySignatureRequest): Promise<boolean> {
    this.#require('verify-signature');
    const publicKey = requirePublicKey(request.publicKey);
    return this.#call('verifySignature', (session) => verifySignature(session, publicKey, request));
  }

  async close(): Promise<void> {
    this.#closing.abort();
    await this.#token.close();
  }

  #require(capability: HsmCapability): void {
    if (!this.capabilities.has(capability)) throw this.unsupported(capability);
  }

  /**
   * The result of `work`, unless the deadline or the end of the client comes first. A repeatable call whose session is
   * lost is made once more on a new one.
   */
  async #call<Result>(
    name: string,
    work: (session: Session) => Promise<Result>,
    { repeatable = true, timeoutMs = this.#timeoutMs }: { repeatable?: boolean; timeoutMs?: number } = {},
  ): Promise<Result> {
    let mayHaveExecuted = false;
    const once = (): Promise<Result> =>
      this.#token.use((session) => {
        mayHaveExecuted = true;
        return work(session);
      });
    const deadline = startDeadline(timeoutMs, this.#closing.signal);
    const ended = new Promise<never>((_, reject) => {
      const stop = (): void => reject(this.#stopped(name, timeoutMs, mayHaveExecuted));
      if (deadline.signal.aborted) stop();
      else deadline.signal.addEventListener('abort', stop);
    });
    try {
      const result = once().catch((error: HsmError) => {
        if (repeatable && error.code === 'HSM_UNREACHABLE' && mayHaveExecuted) return once();
        throw error;
      });
      return await Promise.race([ended, result]);
    } finally {
      deadline.end();
    }
  }

  #stopped(name: string, timeoutMs: number, mayHaveExecuted: boolean): HsmError {
    if (this.#closing.signal.aborted) {
      return new HsmError('HSM_CLOSED', 'the HSM client was closed', { mayHaveExecuted });
    }
    return mayHaveExecuted
      ? new HsmError('HSM_TIMEOUT', `${name}: no answer from the token within ${timeoutMs} ms`, {
          mayHaveExecuted,
        })
      : new HsmError('HSM_UNREACHABLE', `${name}: no session was free within ${timeoutMs} ms`);
  }
}
