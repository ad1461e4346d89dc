/**
 * The C interface of a PKCS#11 module, as far as this adapter uses it. Structures are aligned as the platform's C does
 * on Linux and macOS; on Windows PKCS#11 packs them, and modules cannot be used.
 */
import koffi, { type LibraryHandle, type TypeObject } from 'koffi';
import { HsmError } from '../errors.ts';
import { CKF_OS_LOCKING_OK, returnValueName } from './constants.ts';

/** CK_SESSION_HANDLE or CK_OBJECT_HANDLE. */
export type Handle = number | bigint;

/** Attributes of an object. A number is a CK_ULONG, a boolean a CK_BBOOL. */
export type Template = readonly (readonly [type: number, value: number | boolean | Uint8Array])[];

const { ulong, uchar } = koffi.types;
const voidPointer = koffi.pointer(koffi.types.void);
const bytes = koffi.pointer(uchar);
const characters = (length: number): TypeObject => koffi.array(uchar, length, 'Typed');
const out = (type: TypeObject) => koffi.out(koffi.pointer(type));
const inOut = (type: TypeObject) => koffi.inout(koffi.pointer(type));

const attribute = koffi.struct({ type: ulong, value: voidPointer, valueBytes: ulong });
const mechanism = koffi.struct({ type: ulong, parameter: voidPointer, parameterBytes: ulong });
const version = koffi.struct({ major: uchar, minor: uchar });
const tokenInfo = koffi.struct({
  label: characters(32),
  manufacturer: characters(32),
  model: characters(16),
  serialNumber: characters(16),
  flags: ulong,
  /** Numbers of sessions, lengths of PINs, amounts of memory. */
  numbers: koffi.array(ulong, 10),
  hardwareVersion: version,
  firmwareVersion: version,
  utcTime: characters(16),
});
const sessionInfo = koffi.struct({ slotId: ulong, state: ulong, flags: ulong, deviceError: ulong });
const initializeArguments = koffi.struct({
  mutexFunctions: koffi.array(voidPointer, 4),
  flags: ulong,
  reserved: voidPointer,
});

type ParameterType = TypeObject | ReturnType<typeof koffi.out>;
const at = (place: number, ...parameters: ParameterType[]) => ({
  place,
  type: koffi.proto(ulong, parameters),
});

/** Functions by their place in CK_FUNCTION_LIST (PKCS#11 v2.40, pkcs11f.h), with the types of their parameters. */
const functions = {
  C_Initialize: at(0, koffi.pointer(initializeArguments)),
  C_Finalize: at(1, voidPointer),
  C_GetSlotList: at(4, uchar, out(ulong), inOut(ulong)),
  C_GetTokenInfo: at(6, ulong, out(tokenInfo)),
  C_GetMechanismList: at(7, ulong, out(ulong), inOut(ulong)),
  C_OpenSession: at(12, ulong, ulong, voidPointer, voidPointer, out(ulong)),
  C_CloseSession: at(13, ulong),
  C_GetSessionInfo: at(15, ulong, out(sessionInfo)),
  C_Login: at(18, ulong, ulong, bytes, ulong),
  C_CreateObject: at(20, ulong, koffi.pointer(attribute), ulong, out(ulong)),
  C_DestroyObject: at(22, ulong, ulong),
  C_GetAttributeValue: at(24, ulong, ulong, inOut(attribute), ulong),
  C_FindObjectsInit: at(26, ulong, koffi.pointer(attribute), ulong),
  C_FindObjects: at(27, ulong, out(ulong), ulong, out(ulong)),
  C_FindObjectsFinal: at(28, ulong),
  C_DigestInit: at(37, ulong, koffi.pointer(mechanism)),
  C_Digest: at(38, ulong, bytes, ulong, bytes, inOut(ulong)),
  C_SignInit: at(42, ulong, koffi.pointer(mechanism), ulong),
  C_Sign: at(43, ulong, bytes, ulong, bytes, inOut(ulong)),
  C_VerifyInit: at(48, ulong, koffi.pointer(mechanism), ulong),
  C_Verify: at(49, ulong, bytes, ulong, bytes, ulong),
  C_GenerateKeyPair: at(
    59,
    ulong,
    koffi.pointer(mechanism),
    koffi.pointer(attribute),
    ulong,
    koffi.pointer(attribute),
    ulong,
    out(ulong),
    out(ulong),
  ),
  C_GenerateRandom: at(64, ulong, bytes, ulong),
};
type FunctionName = keyof typeof functions;

/** Resolves with the return value. */
type CryptokiFunction = (...parameters: unknown[]) => Promise<number>;

export interface TokenInfo {
  label: string;
  manufacturer: string;
  model: string;
  serialNumber: string;
  flags: number;
  /** `major.minor` */
  firmware: string;
}

/** Return values after which the session is gone, and perhaps the token: a new session may help. */
const lostReturnValues: readonly string[] = [
  'CKR_DEVICE_ERROR',
  'CKR_DEVICE_REMOVED',
  'CKR_SESSION_CLOSED',
  'CKR_SESSION_HANDLE_INVALID',
  'CKR_TOKEN_NOT_PRESENT',
  'CKR_USER_NOT_LOGGED_IN',
  'CKR_CRYPTOKI_NOT_INITIALIZED',
];

/**
 * Shared libraries by path, kept for good: koffi unloads one that nothing refers to, and functions that are called by
 * their address, as those of the list are, do not count.
 */
const libraries = new Map<string, LibraryHandle>();

/** A module that is loaded and initialised. Its functions run in threads of their own, several at once. */
export class Cryptoki {
  readonly #functions: ReadonlyMap<FunctionName, CryptokiFunction>;

  private constructor(list: bigint) {
    const read = (name: FunctionName): CryptokiFunction => {
      const { place, type } = functions[name];
      // version[2], padding, then the functions
      const offset = koffi.sizeof(voidPointer) * (1 + place);
      const address: unknown = koffi.decode(list, offset, voidPointer);
      const call = koffi.decode(address, type) as {
        async(...parameters: unknown[]): void;
      };
      return (...given) =>
        new Promise((resolve, reject) => {
          const done = (error: unknown, returnValue: number): void =>
            error ? reject(error) : resolve(returnValue);
          call.async(...given, done);
        });
    };
    const names = Object.keys(functions) as FunctionName[];
    this.#functions = new Map(names.map((name) => [name, read(name)]));
  }

  /** Loads the module at `path`. Throws HSM_UNREACHABLE where there is none, HSM_REFUSED where it does not start. */
  static async load(path: string): Promise<Cryptoki> {
    const list: [bigint | null] = [null];
    try {
      const library = libraries.get(path) ?? koffi.load(path);
      libraries.set(path, library);
      library.func('C_GetFunctionList', ulong, [out(voidPointer)])(list);
    } catch (cause) {
      throw new HsmError('HSM_UNREACHABLE', 'PKCS#11: the module cannot be loaded', { cause });
    }
    if (list[0] === null) throw new HsmError('HSM_UNREACHABLE', 'PKCS#11: the module has no function list');
    const cryptoki = new Cryptoki(list[0]);
    const threads = { mutexFunctions: [null, null, null, null], flags: CKF_OS_LOCKING_OK, reserved: null };
    await cryptoki.call('C_Initialize', threads);
    return cryptoki;
  }

  /**
   * Calls a function. Throws unless it returns CKR_OK: HSM_UNREACHABLE where the session is lost, else HSM_REFUSED; the
   * name of the return value is the error's `answer`.
   */
  async call(name: FunctionName, ...parameters: unknown[]): Promise<void> {
    const returnValue = await this.#functions.get(name)!(...parameters);
    if (returnValue === 0) return;
    const answer = returnValueName(returnValue);
    const lost = lostReturnValues.includes(answer);
    throw new HsmError(lost ? 'HSM_UNREACHABLE' : 'HSM_REFUSED', `${name}: the token answered ${answer}`, {
      answer,
      mayHaveExecuted: lost,
    });
  }

  /** Slots with a token, with what it says about itself. */
  async tokens(): Promise<{ slotId: Handle; info: TokenInfo }[]> {
    const slots = await this.#list((list, count) => this.call('C_GetSlotList', 1, list, count));
    return Promise.all(
      slots.map(async (slotId) => {
        const info = {} as Record<'label' | 'manufacturer' | 'model' | 'serialNumber', Uint8Array> & {
          flags: number;
          firmwareVersion: { major: number; minor: number };
        };
        await this.call('C_GetTokenInfo', slotId, info);
        const { major, minor } = info.firmwareVersion;
        return {
          slotId,
          info: {
            label: text(info.label),
            manufacturer: text(info.manufacturer),
            model: text(info.model),
            serialNumber: text(info.serialNumber),
            flags: info.flags,
            firmware: `${major}.${minor}`,
          },
        };
      }),
    );
  }

  async mechanisms(slotId: Handle): Promise<ReadonlySet<number>> {
    const list = await this.#list((mechanisms, count) =>
      this.call('C_GetMechanismList', slotId, mechanisms, count),
    );
    return new Set(list.map(Number));
  }

  /** A list that is asked for twice: how many there are, then which. */
  async #list(fill: (list: Handle[] | null, count: [number]) => Promise<void>): Promise<Handle[]> {
    const count: [number] = [0];
    await fill(null, count);
    const list = new Array<Handle>(count[0]).fill(0);
    if (list.length > 0) await fill(list, count);
    return list.slice(0, count[0]);
  }
}

/** CK_MECHANISM without a parameter. */
export function mechanismOf(type: number): object {
  return { type, parameter: null, parameterBytes: 0 };
}

/** CK_ATTRIBUTE for each attribute. */
export function attributesOf(template: Template): object[] {
  return template.map(([type, given]) => {
    const value = typeof given === 'object' ? given : encoded(given);
    return { type, value, valueBytes: value.length };
  });
}

function encoded(value: number | boolean): Uint8Array {
  if (typeof value === 'boolean') return Uint8Array.of(value ? 1 : 0);
  const buffer = Buffer.alloc(koffi.sizeof(ulong));
  koffi.encode(buffer, ulong, value);
  return buffer;
}

/** Padded with spaces, without an end. */
function text(characters: Uint8Array): string {
  return Buffer.from(characters).toString('utf8').trim();
}
