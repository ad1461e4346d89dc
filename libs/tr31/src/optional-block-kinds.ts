/**
 * Which optional blocks there are, what they may hold, and which header they belong to. Clauses as cited by
 * openemv/tr31; a rule that only follows from the meaning of a block says so.
 */
import { combinationProblems } from './combinations.ts';
import type { KeyBlockHeader } from './key-block-header.ts';
import { type AlgorithmRow, algorithms, exportabilities, rowOf, versions } from './tables.ts';
import { readUtcTime } from './utc-time.ts';

/** The typed content of one optional block. */
export type OptionalBlockContent =
  | { id: 'AL'; life: 'ephemeral' | 'static' }
  | { id: 'BI'; dukpt: 'TDES' | 'AES'; identifier: string }
  | { id: 'CT'; certificates: Certificate[] }
  | { id: 'DA'; derivations: Derivation[] }
  | { id: 'FL'; flags: string }
  | { id: 'HM'; hash: string }
  | { id: 'IK'; initialKeyId: string }
  | { id: 'KC' | 'KP' | 'PK'; method: 'legacy' | 'CMAC'; checkValue: string }
  | { id: 'KS'; initialKsn: string }
  | { id: 'KV'; values: [string, string] }
  | { id: 'LB'; label: string }
  | { id: 'PB'; filler: string }
  | { id: 'TC' | 'TS'; time: Date }
  | { id: 'WP'; weaker: boolean; asymmetric: boolean }
  | { id: '10'; tag: string; value: string };

/** A certificate in block CT. */
export interface Certificate {
  format: 'X.509' | 'EMV';
  base64: string;
}

/** One derivation that block DA allows. */
export interface Derivation {
  keyUsage: string;
  algorithm: string;
  modeOfUse: string;
  exportability: string;
}

/**
 * Says that a rule is broken, and returns nothing, so that a reader can end with it. CONTENT: the data are wrong in themselves. FIT: the block does not belong in this header.
 * `from` and `to` count characters of the data; without them the whole block is meant.
 */
export type Refuse = (
  rule: 'CONTENT' | 'FIT' | 'TR31_KS_PRINTABLE' | 'TR31_KS_AES',
  message: string,
  from?: number,
  to?: number,
) => undefined;

export interface OptionalBlockKind {
  meaning: string;
  clause: string;
  /** Reads the data and refuses what is wrong with them, in themselves or in this header. */
  read(data: string, header: KeyBlockHeader, refuse: Refuse): OptionalBlockContent | undefined;
}

export const optionalBlockKinds = {
  AL: {
    meaning: 'Life of an asymmetric key',
    clause: 'X9.143:2021, 6.3.6.1',
    read(data, header, refuse) {
      requireAsymmetric(header, refuse);
      if (data === '0100') return { id: 'AL', life: 'ephemeral' };
      if (data === '0101') return { id: 'AL', life: 'static' };
      return refuse('CONTENT', 'expected version 01, then 00 (ephemeral) or 01 (static)', 0, data.length);
    },
  },
  BI: {
    meaning: 'Identifier of a base derivation key',
    clause: 'X9.143:2021, 6.3.6.2',
    read(data, header, refuse) {
      const dukpt = { '00': 'TDES', '01': 'AES' }[data.slice(0, 2)] as 'TDES' | 'AES' | undefined;
      const digits = dukpt === 'TDES' ? 10 : 8;
      if (!dukpt) return refuse('CONTENT', 'expected type 00 (TDES DUKPT) or 01 (AES DUKPT)', 0, 2);
      if (!isHex(data, 2, digits)) {
        return refuse('CONTENT', `expected ${digits} hex digits for ${dukpt} DUKPT`, 2, data.length);
      }
      if (header.keyUsage !== 'B0') refuse('FIT', `it belongs with usage B0, not ${header.keyUsage}`);
      if (header.algorithm !== (dukpt === 'TDES' ? 'T' : 'A')) {
        refuse('FIT', `its type is ${dukpt} DUKPT, the algorithm is ${header.algorithm}`, 0, 2);
      }
      return { id: 'BI', dukpt, identifier: data.slice(2) };
    },
  },
  CT: {
    meaning: 'Public key certificate or chain',
    clause: 'X9.143:2021, 6.3.6.3',
    read(data, header, refuse) {
      requireAsymmetric(header, refuse);
      const format = data.slice(0, 2);
      if (format === '02') return readChain(data, refuse);
      const certificate = readCertificate(format, data.slice(2));
      if (certificate) return { id: 'CT', certificates: [certificate] };
      if (!Object.hasOwn(certificateFormats, format)) {
        return refuse('CONTENT', 'expected format 00 (X.509), 01 (EMV) or 02 (chain)', 0, 2);
      }
      return refuse('CONTENT', 'expected a certificate in base64', 2, data.length);
    },
  },
  DA: {
    meaning: 'Derivations allowed',
    clause: 'X9.143:2021, 6.3.6.4',
    read(data, header, refuse) {
      // Usage B3 only, and 1 to 49 sets: IBM's documentation of CSNBT31C.
      if (header.keyUsage !== 'B3') refuse('FIT', `it belongs with usage B3, not ${header.keyUsage}`);
      if (data.slice(0, 2) !== '01') return refuse('CONTENT', 'expected version 01', 0, 2);
      const sets = (data.length - 2) / 5;
      if (!Number.isInteger(sets) || sets < 1 || sets > 49) {
        return refuse('CONTENT', 'expected 1 to 49 sets of 5 characters', 2, data.length);
      }
      const derivations: Derivation[] = [];
      for (let at = 2; at < data.length; at += 5) derivations.push(readDerivation(data, at, header, refuse));
      return { id: 'DA', derivations };
    },
  },
  FL: {
    meaning: 'Flags',
    clause: 'X9.143:2021, 6.3.6, table 7',
    read(data, _header, refuse) {
      if (/^[0-9A-F]+$/.test(data)) return { id: 'FL', flags: data };
      return refuse('CONTENT', 'expected hex digits', 0, data.length);
    },
  },
  HM: {
    meaning: 'Hash algorithm of an HMAC key',
    clause: 'X9.143:2021, 6.3.6.5',
    read(data, header, refuse) {
      if (!'HIJ'.includes(header.algorithm)) {
        refuse('FIT', `it belongs with an HMAC key, not with algorithm ${header.algorithm}`);
      }
      const hash = rowOf(hmacHashes, data);
      if (hash) return { id: 'HM', hash };
      return refuse('CONTENT', 'expected the two digits of a known hash algorithm', 0, data.length);
    },
  },
  IK: {
    meaning: 'Initial key id of AES DUKPT',
    clause: 'X9.143:2021, 6.3.6.6',
    read(data, header, refuse) {
      if (header.keyUsage !== 'B1' || header.algorithm !== 'A') {
        refuse('FIT', `it belongs with usage B1 and AES, not ${header.keyUsage} and ${header.algorithm}`);
      }
      if (isHex(data, 0, 16)) return { id: 'IK', initialKeyId: data };
      return refuse('CONTENT', 'expected 16 hex digits', 0, data.length);
    },
  },
  KC: {
    meaning: 'Check value of the key',
    clause: 'X9.143:2021, 6.3.6.7',
    read(data, header, refuse) {
      const content = readCheckValue('KC', data, refuse);
      if (rowOf<AlgorithmRow>(algorithms, header.algorithm)?.asymmetric) {
        refuse('FIT', `no check value is defined for algorithm ${header.algorithm}`);
      } else if (header.algorithm === 'A' && content?.method === 'legacy') {
        refuse('FIT', 'the check value of an AES key is made with CMAC, method 01', 0, 2);
      }
      return content;
    },
  },
  KP: {
    meaning: 'Check value of the KBPK',
    clause: 'X9.143:2021, 6.3.6.7',
    read(data, header, refuse) {
      const content = readCheckValue('KP', data, refuse);
      if (versions[header.versionId].cipher === 'AES' && content?.method === 'legacy') {
        refuse('FIT', 'the check value of an AES key is made with CMAC, method 01', 0, 2);
      }
      return content;
    },
  },
  KS: {
    meaning: 'Initial key serial number of TDES DUKPT',
    clause: 'X9.143:2021, 6.3.6.8',
    read(data, header, refuse) {
      const dukpt = header.keyUsage === 'B0' || header.keyUsage === 'B1';
      if (dukpt && header.algorithm === 'A') {
        refuse('TR31_KS_AES', 'an AES initial key has block IK, not KS');
      } else if (!dukpt || header.algorithm !== 'T') {
        refuse(
          'FIT',
          `it belongs with usage B0 or B1 and TDES, not ${header.keyUsage} and ${header.algorithm}`,
        );
      }
      if (!/^[0-9A-Fa-f]*$/.test(data)) {
        return refuse('TR31_KS_PRINTABLE', 'expected 20 hex digits, got other text', 0, data.length);
      }
      if (!isHex(data, 0, 20)) {
        return refuse('CONTENT', `expected 20 hex digits, got ${data.length}`, 0, data.length);
      }
      // The counter is the last 21 of the 80 bits.
      if ((Number.parseInt(data.slice(14), 16) & 0x1fffff) !== 0) {
        return refuse('CONTENT', 'the counter bits of an initial KSN are zero', 14, 20);
      }
      return { id: 'KS', initialKsn: data };
    },
  },
  KV: {
    meaning: 'Key block values (deprecated)',
    clause: 'X9.143:2021, 6.3.6.9',
    read(data, _header, refuse) {
      if (data.length === 4) return { id: 'KV', values: [data.slice(0, 2), data.slice(2)] };
      return refuse('CONTENT', 'expected two fields of two characters', 0, data.length);
    },
  },
  LB: {
    meaning: 'Label',
    clause: 'X9.143:2021, 6.3.6.10',
    read(data, _header, refuse) {
      if (data.length > 0) return { id: 'LB', label: data };
      return refuse('CONTENT', 'the label is empty');
    },
  },
  PB: {
    meaning: 'Padding',
    clause: 'X9.143:2021, 6.3.6',
    read: (data) => ({ id: 'PB', filler: data }),
  },
  PK: {
    meaning: 'Check value of the export KBPK',
    clause: 'X9.143:2021, 6.3.6.12',
    read: (data, _header, refuse) => readCheckValue('PK', data, refuse),
  },
  TC: {
    meaning: 'Time of creation',
    clause: 'X9.143:2021, 6.3.6.13',
    read: (data, _header, refuse) => readTime('TC', data, refuse),
  },
  TS: {
    meaning: 'Time stamp',
    clause: 'X9.143:2021, 6.3.6.14',
    read: (data, _header, refuse) => readTime('TS', data, refuse),
  },
  WP: {
    meaning: 'Wrapping pedigree',
    clause: 'X9.143:2021, 6.3.6.15',
    read(data, _header, refuse) {
      if (/^00[0-3]$/.test(data)) {
        return { id: 'WP', weaker: data === '001' || data === '003', asymmetric: data >= '002' };
      }
      return refuse('CONTENT', 'expected version 00, then 0, 1, 2 or 3', 0, data.length);
    },
  },
  '10': {
    meaning: 'IBM CCA attributes',
    clause: 'IBM z/OS ICSF, X9.143 key block header optional block data',
    read(data, _header, refuse) {
      if (data.startsWith('IBMC') && data.length >= 8) {
        return { id: '10', tag: data.slice(4, 6), value: data.slice(6) };
      }
      return refuse('CONTENT', 'expected IBMC, then a tag, a length and a value', 0, data.length);
    },
  },
} as const satisfies Record<string, OptionalBlockKind>;
export type OptionalBlockId = keyof typeof optionalBlockKinds;

/** X9.143:2021, 6.3.6.5, table 13. */
export const hmacHashes: Readonly<Record<string, string>> = {
  '10': 'SHA-1',
  '20': 'SHA-224',
  '21': 'SHA-256',
  '22': 'SHA-384',
  '23': 'SHA-512',
  '24': 'SHA-512/224',
  '25': 'SHA-512/256',
  '30': 'SHA3-224',
  '31': 'SHA3-256',
  '32': 'SHA3-384',
  '33': 'SHA3-512',
  '40': 'SHAKE128',
  '41': 'SHAKE256',
};

const certificateFormats: Readonly<Record<string, Certificate['format']>> = { '00': 'X.509', '01': 'EMV' };

function readCertificate(format: string, base64: string): Certificate | undefined {
  const known = rowOf(certificateFormats, format);
  const wellFormed = base64.length % 4 === 0 && /^[A-Za-z0-9+/]+={0,2}$/.test(base64);
  return known && wellFormed ? { format: known, base64 } : undefined;
}

/** Format 02, then entries: format(2) length(4 hex, of the base64) base64. */
function readChain(data: string, refuse: Refuse): OptionalBlockContent | undefined {
  const certificates: Certificate[] = [];
  for (let at = 2; at < data.length; ) {
    const length = isHex(data.slice(at + 2, at + 6), 0, 4)
      ? Number.parseInt(data.slice(at + 2, at + 6), 16)
      : 0;
    const end = at + 6 + length;
    const certificate =
      length > 0 && end <= data.length && readCertificate(data.slice(at, at + 2), data.slice(at + 6, end));
    if (!certificate) {
      return refuse(
        'CONTENT',
        `entry ${certificates.length + 1} of the chain is not format, length, base64`,
        at,
        data.length,
      );
    }
    certificates.push(certificate);
    at = end;
  }
  if (certificates.length > 0) return { id: 'CT', certificates };
  return refuse('CONTENT', 'the chain is empty', 0, data.length);
}

/** usage(2) algorithm(1) mode(1) exportability(1) */
function readDerivation(data: string, at: number, header: KeyBlockHeader, refuse: Refuse): Derivation {
  const derivation: Derivation = {
    keyUsage: data.slice(at, at + 2),
    algorithm: data[at + 2]!,
    modeOfUse: data[at + 3]!,
    exportability: data[at + 4]!,
  };
  const { keyUsage, algorithm, modeOfUse, exportability } = derivation;
  for (const problem of combinationProblems(keyUsage, algorithm, modeOfUse)) {
    refuse('CONTENT', problem.message, at + problem.from, at + problem.to);
  }
  if (!rowOf(exportabilities, exportability)) {
    refuse('CONTENT', `exportability ${exportability}, expected E, N or S`, at + 4, at + 5);
  } else if ('NES'.indexOf(exportability) > 'NES'.indexOf(header.exportability)) {
    // Derived, not read anywhere: a key that must not leave must not be turned into one that may.
    refuse(
      'FIT',
      `a derived key with exportability ${exportability} under a key with ${header.exportability}`,
      at + 4,
      at + 5,
    );
  }
  return derivation;
}

/** method(2) then the check value: 00 legacy, up to 3 bytes; 01 CMAC, up to 5. X9.143:2021, 6.3.6.7, table 15. */
function readCheckValue<Id extends 'KC' | 'KP' | 'PK'>(id: Id, data: string, refuse: Refuse) {
  const method = { '00': 'legacy', '01': 'CMAC' }[data.slice(0, 2)] as 'legacy' | 'CMAC' | undefined;
  const checkValue = data.slice(2);
  const mostDigits = method === 'legacy' ? 6 : 10;
  if (!method) return refuse('CONTENT', 'expected method 00 (legacy) or 01 (CMAC)', 0, 2);
  if (/^(?:[0-9A-F]{2})+$/.test(checkValue) && checkValue.length <= mostDigits) {
    return { id, method, checkValue } as const;
  }
  return refuse(
    'CONTENT',
    `expected 1 to ${mostDigits / 2} bytes in hex for method ${method}`,
    2,
    data.length,
  );
}

function readTime(id: 'TC' | 'TS', data: string, refuse: Refuse): OptionalBlockContent | undefined {
  const time = readUtcTime(data);
  if (time) return { id, time };
  return refuse(
    'CONTENT',
    'expected a time that exists, as YYYYMMDDhhmmss[dd]Z or YYYY-MM-DDThh:mm:ss[.dd]Z',
    0,
    data.length,
  );
}

/** Derived from the meaning of AL and CT: a symmetric key has neither a life of this kind nor a certificate. */
function requireAsymmetric(header: KeyBlockHeader, refuse: Refuse): void {
  if (!rowOf<AlgorithmRow>(algorithms, header.algorithm)?.asymmetric) {
    refuse('FIT', `it belongs with an asymmetric key, not with algorithm ${header.algorithm}`);
  }
}

function isHex(data: string, from: number, digits: number): boolean {
  return data.length === from + digits && /^[0-9A-F]*$/.test(data.slice(from));
}
