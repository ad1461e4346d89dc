import { HsmError } from '../errors.ts';
import { CKF_RW_SESSION, CKF_SERIAL_SESSION, CKS_RW_USER_FUNCTIONS, CKU_USER } from './constants.ts';
import { Cryptoki, type Handle, type TokenInfo } from './cryptoki.ts';
import { acquireModule, releaseModule } from './modules.ts';

export interface TokenOptions {
  /** Path of the module, a shared library. */
  modulePath: string;
  /** Label of the token. */
  label: string;
  /** Reads the user's PIN. Called at each login; what it returns is wiped after use. */
  readPin(): Promise<Uint8Array>;
  /** Sessions at once; other calls wait. */
  sessions: number;
}

/** A session that is logged in, and that one call uses at a time. */
export interface Session {
  readonly cryptoki: Cryptoki;
  readonly handle: Handle;
}

/**
 * One token, and sessions on it. A session that is lost is opened again, with a new login. A PIN that was refused is
 * never tried again, since a token locks after a few tries.
 */
export class Token {
  readonly #cryptoki: Cryptoki;
  readonly #options: TokenOptions;
  readonly #idle: Handle[] = [];
  /** Calls that wait for a session, in the order of arrival. */
  readonly #waiting: (() => void)[] = [];
  #inUse = 0;
  #closed = false;
  /** Told when no call is under way any more. */
  #unused: (() => void) | undefined;
  #loggingIn: Promise<void> | undefined;
  #refusedPin: HsmError | undefined;

  private constructor(cryptoki: Cryptoki, options: TokenOptions) {
    this.#cryptoki = cryptoki;
    this.#options = options;
  }

  /** Throws HSM_UNREACHABLE without the module or the token, HSM_REFUSED when the token does not take the PIN. */
  static async open(options: TokenOptions): Promise<Token> {
    const token = new Token(await acquireModule(options.modulePath), options);
    try {
      await token.use(async () => {});
    } catch (error) {
      await token.close();
      throw error;
    }
    return token;
  }

  async info(): Promise<TokenInfo> {
    return (await this.#find()).info;
  }

  async mechanisms(): Promise<ReadonlySet<number>> {
    return this.#cryptoki.mechanisms((await this.#find()).slotId);
  }

  /** Runs `work` on a session of its own. */
  async use<Result>(work: (session: Session) => Promise<Result>): Promise<Result> {
    if (this.#inUse >= this.#options.sessions) {
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    } else {
      this.#inUse += 1;
    }
    // From here this call has one of the places, and hands it on.
    try {
      if (this.#closed) throw new HsmError('HSM_CLOSED', 'the HSM client was closed');
      const handle = this.#idle.pop() ?? (await this.#openSession());
      try {
        const result = await work({ cryptoki: this.#cryptoki, handle });
        this.#idle.push(handle);
        return result;
      } catch (error) {
        this.#idle.push(handle);
        if ((error as HsmError).code === 'HSM_UNREACHABLE') await this.#closeIdleSessions();
        throw error;
      }
    } finally {
      const next = this.#waiting.shift();
      if (next) next();
      else this.#inUse -= 1;
      if (this.#inUse === 0) this.#unused?.();
    }
  }

  /** Resolves when the calls under way have ended: a module must not be finalised under them. Idempotent. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    if (this.#inUse > 0) {
      await new Promise<void>((resolve) => {
        this.#unused = resolve;
      });
    }
    await this.#closeIdleSessions(); // without a session the token logs out by itself
    await releaseModule(this.#options.modulePath);
  }

  async #closeIdleSessions(): Promise<void> {
    const handles = this.#idle.splice(0);
    // A session that is lost cannot be closed, and need not be.
    await Promise.allSettled(handles.map((handle) => this.#cryptoki.call('C_CloseSession', handle)));
  }

  async #openSession(): Promise<Handle> {
    const { slotId } = await this.#find();
    const opened: [Handle] = [0];
    await this.#cryptoki.call(
      'C_OpenSession',
      slotId,
      CKF_SERIAL_SESSION | CKF_RW_SESSION,
      null,
      null,
      opened,
    );
    const [handle] = opened;
    try {
      this.#loggingIn ??= this.#login(handle).finally(() => {
        this.#loggingIn = undefined;
      });
      await this.#loggingIn;
    } catch (error) {
      await this.#cryptoki.call('C_CloseSession', handle).catch(() => {});
      throw error;
    }
    return handle;
  }

  /** A login is the application's, not the session's: whichever session is first makes it. */
  async #login(handle: Handle): Promise<void> {
    const info = { state: 0 };
    await this.#cryptoki.call('C_GetSessionInfo', handle, info);
    if (info.state === CKS_RW_USER_FUNCTIONS) return;
    if (this.#refusedPin) throw this.#refusedPin;
    const pin = await this.#options.readPin();
    try {
      await this.#cryptoki.call('C_Login', handle, CKU_USER, pin, pin.length);
    } catch (error) {
      if ((error as HsmError).code === 'HSM_REFUSED') this.#refusedPin = error as HsmError;
      throw error;
    } finally {
      pin.fill(0);
    }
  }

  async #find(): Promise<{ slotId: Handle; info: TokenInfo }> {
    const { label } = this.#options;
    const found = (await this.#cryptoki.tokens()).filter(({ info }) => info.label === label);
    if (found[0] === undefined || found.length > 1) {
      throw new HsmError('HSM_UNREACHABLE', `PKCS#11: expected one token ${label}, found ${found.length}`);
    }
    return found[0];
  }
}
