import { readFileSync } from 'node:fs';
import type { AesKeyType, AesKeyUsage } from '@openkdh/dukpt';

/** Bytes of hex text; tests only: elsewhere keys are never text. */
export const hex = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, 'hex'));
export const toHex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex').toUpperCase();

const read = (name: string) =>
  JSON.parse(readFileSync(new URL(`../vectors/${name}`, import.meta.url), 'utf8'));

export const tdesVectors: {
  facts: { totalKeysPerDevice: number };
  cases: {
    id: string;
    bdk: string;
    ksn: string;
    ik: string;
    transactionKey: string;
    inputs: { pinBlockClear: string; pin: string; pan: string; data: string };
    pinKey: string;
    macRequestKey: string;
    macResponseKey: string;
    dataRequestKey: string;
    dataResponseKey: string;
    encryptedPinBlock: string;
    macRequest: string;
    macResponse: string;
    cmacRequest: string;
    cmacResponse: string;
    dataRequest: string;
    dataResponse: string;
  }[];
  extraPublished: { id: string; bdk: string; ksn: string; pinKey?: string; dataRequestKey?: string }[];
  advance: { id: string; ksn: string; next: string | null }[];
} = read('tdes-dukpt.json');

export const aesVectors: {
  cases: {
    id: string;
    kind: 'ik' | 'transactionKey' | 'workingKey' | 'updateKey';
    bdk: string;
    initialKeyId: string;
    ksn: string;
    keyType: AesKeyType;
    keyUsage: AesKeyUsage;
    value: string;
  }[];
  pinBlocks: {
    id: string;
    bdk: string;
    ksn: string;
    pinKey: string;
    pin: string;
    pan: string;
    pinField: string;
    panField: string;
    encryptedPinBlock: string;
  }[];
  advance: { id: string; ksn: string; nextCounter: string | null }[];
  operations: {
    id: string;
    bdk: string;
    ksn: string;
    data: string;
    transactionKey: string;
    cmacRequest: string;
    cmacResponse: string;
    hmacSha256Request: string;
    hmacSha256Response: string;
    dataRequest: string;
    dataResponse: string;
  }[];
  crossProduct: {
    rows: { bdk: string; ksn: string; keyType: AesKeyType; keyUsage: AesKeyUsage; value: string }[];
  };
} = read('aes-dukpt.json');
