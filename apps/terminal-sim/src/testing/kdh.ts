import { randomBytes, randomUUID } from 'node:crypto';
import { deriveAesInitialKey, deriveTdesInitialKey } from '@openkdh/dukpt';
import {
  kbpkSlots,
  type LoadKbpk,
  type LoadKeys,
  type PlanEntry,
  planHash,
} from '@openkdh/terminal-protocol';
import { type KeyBlockHeader, wrap } from '@openkdh/tr31';
import { buildKdhCredentialToken, localSigner, makeKeyToken } from '@openkdh/tr34';
import { checkValue, type KeyAlgorithm } from '../key-algorithm.ts';
import { createTestPki, type TestPki } from './pki.ts';

/** The BDKs of the examples in ANSI X9.24-1:2009 and X9.24-3:2017. */
export const bdks = {
  T2: Buffer.from('0123456789ABCDEFFEDCBA9876543210', 'hex'),
  A128: Buffer.from('FEDCBA9876543210F1F1F1F1F1F1F1F1', 'hex'),
};

/** A key and how a KDH would send it. */
export interface TestKey {
  readonly slot: string;
  readonly algorithm: KeyAlgorithm;
  readonly key: Uint8Array;
  readonly ksn?: string;
  readonly wrappedUnder: Uint8Array;
  readonly header: KeyBlockHeader;
}

/** Makes what a KDH with an HSM sends to a terminal; its keys are in this process, for tests only. */
export class TestKdh {
  readonly pki: TestPki;

  constructor(pki: TestPki) {
    this.pki = pki;
  }

  static async create(): Promise<TestKdh> {
    return new TestKdh(await createTestPki());
  }

  /** CT_KDH, DER. */
  async credential(crl?: Uint8Array): Promise<Uint8Array> {
    return buildKdhCredentialToken(this.pki.signing.certificate, crl ?? (await this.pki.crl()));
  }

  /** LOAD_KBPK with this key for a KRD certificate (DER) and a nonce. */
  async loadKbpk(
    key: Uint8Array,
    request: {
      epoch: number;
      krdCertificate: Uint8Array;
      nonce: Uint8Array;
      header?: string;
      crl?: Uint8Array;
      /** The CA of the KRDs, when it is not this KDH's own. */
      trust?: Uint8Array;
    },
  ): Promise<LoadKbpk> {
    const { epoch, krdCertificate, nonce, header = 'D0000K1AB00N0000' } = request;
    const order = {
      key,
      header,
      nonce,
      krdCertificate,
      crl: request.crl ?? (await this.pki.crl()),
      trust: {
        anchors: [request.trust ?? this.pki.terminalCa],
        revocation: { whenAbsent: 'accept' as const },
        at: new Date(),
      },
    };
    const signer = localSigner(this.pki.signing.certificate, this.pki.signing.key);
    const token = await makeKeyToken(order, signer, randomBytes);
    const algorithm = header[7] === 'A' ? 'A128' : 'T3';
    return {
      ...frame(epoch),
      token: Buffer.from(token).toString('base64'),
      kcv: checkValue(algorithm, key, '000000'),
    };
  }

  /** LOAD_KEYS with these keys. */
  loadKeys(epoch: number, keys: readonly TestKey[]): LoadKeys {
    const plan = keys.map(planEntry);
    return { ...frame(epoch), plan, planHash: planHash(plan) };
  }
}

/** What a profile with a PIN and a data slot becomes for one terminal: a TDES KBPK, and its two initial keys. */
export function profileKeys(kbpk: Uint8Array, device: number): TestKey[] {
  const tdesKbpk = randomBytes(24);
  return [
    {
      slot: kbpkSlots.TDES,
      algorithm: 'T3',
      key: tdesKbpk,
      wrappedUnder: kbpk,
      header: header('D', 'K1', 'T', 'B'),
    },
    aesInitialKey('PIN', kbpk, device),
    tdesInitialKey('DATA', tdesKbpk, device),
  ];
}

export function aesInitialKey(slot: string, kbpk: Uint8Array, device: number): TestKey {
  const id = `12345678${device.toString(16).toUpperCase().padStart(8, '0')}`;
  return {
    slot,
    algorithm: 'A128',
    key: deriveAesInitialKey(bdks.A128, Buffer.from(id, 'hex')),
    ksn: `${id}00000000`,
    wrappedUnder: kbpk,
    header: header('D', 'B1', 'A', 'X', [{ id: 'IK', data: id }]),
  };
}

export function tdesInitialKey(slot: string, kbpk: Uint8Array, device: number): TestKey {
  const ksn = `FFFF987654${(device * 2 ** 21).toString(16).toUpperCase().padStart(10, '0')}`;
  return {
    slot,
    algorithm: 'T2',
    key: deriveTdesInitialKey(bdks.T2, Buffer.from(ksn, 'hex')),
    ksn,
    wrappedUnder: kbpk,
    header: header('B', 'B1', 'T', 'X', [{ id: 'KS', data: ksn }]),
  };
}

export function planEntry({ slot, algorithm, key, ksn, wrappedUnder, header }: TestKey): PlanEntry {
  const tr31 = wrap(wrappedUnder, header, key);
  return { slot, tr31, kcv: checkValue(algorithm, key, '000000'), algorithm, ...(ksn && { ksn }) };
}

function header(
  versionId: 'B' | 'D',
  keyUsage: string,
  algorithm: string,
  modeOfUse: string,
  optionalBlocks: { id: string; data: string }[] = [],
): KeyBlockHeader {
  return {
    versionId,
    keyUsage,
    algorithm,
    modeOfUse,
    keyVersion: '00',
    exportability: 'N',
    keyContext: '0',
    optionalBlocks,
  };
}

function frame(epoch: number) {
  return {
    attempt: randomUUID(),
    epoch,
    nonceK2: randomBytes(16).toString('base64'),
    expiresAt: new Date(Date.now() + 60_000).toISOString(),
  };
}
