import { HsmError } from './errors.ts';
import type {
  ExportedKey,
  Hsm,
  HsmCapability,
  HsmDiagnostics,
  HsmStatus,
  KeyPair,
  Tr34Token,
  WrappedKey,
} from './hsm.ts';

/** An HSM that can do nothing: an adapter overrides what it can. All else throws HSM_UNSUPPORTED. */
export abstract class UnsupportedHsm implements Hsm {
  abstract readonly name: string;
  abstract readonly capabilities: ReadonlySet<HsmCapability>;
  abstract diagnostics(): Promise<HsmDiagnostics>;
  abstract close(): Promise<void>;

  async random(_: unknown): Promise<Uint8Array> {
    throw this.unsupported('random numbers');
  }

  async generateKey(_: unknown): Promise<WrappedKey> {
    throw this.unsupported('symmetric keys');
  }

  async formKeyFromComponents(_: unknown): Promise<WrappedKey> {
    throw this.unsupported('keys from components');
  }

  async checkValue(_: unknown): Promise<string> {
    throw this.unsupported('check values');
  }

  async exportInitialKey(_: unknown): Promise<ExportedKey> {
    throw this.unsupported('the derivation of initial keys');
  }

  async exportKey(_: unknown): Promise<ExportedKey> {
    throw this.unsupported('keys under another key');
  }

  async importKey(_: unknown): Promise<WrappedKey> {
    throw this.unsupported('keys under another key');
  }

  async generateRsaKeyPair(_: unknown): Promise<KeyPair> {
    throw this.unsupported('RSA key pairs');
  }

  async generateEcKeyPair(): Promise<KeyPair> {
    throw this.unsupported('EC key pairs');
  }

  async sign(_: unknown): Promise<Uint8Array> {
    throw this.unsupported('signatures over data');
  }

  async exportTr34(_: unknown): Promise<Tr34Token> {
    throw this.unsupported('TR-34 tokens');
  }

  async operationCount(): Promise<bigint | undefined> {
    return undefined;
  }

  async encrypt(_: unknown): Promise<Uint8Array> {
    throw this.unsupported('encryption');
  }

  async decrypt(_: unknown): Promise<Uint8Array> {
    throw this.unsupported('decryption');
  }

  async generateMac(_: unknown): Promise<Uint8Array> {
    throw this.unsupported('MACs');
  }

  async verifyMac(_: unknown): Promise<boolean> {
    throw this.unsupported('MACs');
  }

  async verifySignature(_: unknown): Promise<boolean> {
    throw this.unsupported('the verification of signatures');
  }

  async requestCertificate(_: unknown): Promise<Uint8Array> {
    throw this.unsupported('certificate requests');
  }

  async status(): Promise<HsmStatus> {
    throw this.unsupported('a status');
  }

  async auditRecords(_: unknown): Promise<string[]> {
    throw this.unsupported('an audit log that can be fetched');
  }

  async acknowledgeAuditRecords(_: unknown): Promise<void> {
    throw this.unsupported('an audit log that can be fetched');
  }

  protected unsupported(what: string): HsmError {
    return new HsmError('HSM_UNSUPPORTED', `${this.name} does not offer ${what}`);
  }
}
