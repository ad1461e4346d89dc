/**
 * Working keys of TDES DUKPT: which byte of each half of the transaction key is inverted, and whether the result
 * goes through one more one-way step. ANSI X9.24-1:2009, A.4.1, table A-1; X9.24-3:2017, C.5.2, table 5.
 * Request means terminal to host; a key used both ways is the request key.
 */
export const tdesKeyUsages = {
  PIN: { invertedByte: 7 /* 00000000000000FF */, oneWay: false },
  MAC_REQUEST: { invertedByte: 6 /* 000000000000FF00 */, oneWay: false },
  MAC_RESPONSE: { invertedByte: 4 /* 00000000FF000000 */, oneWay: false },
  MAC_BOTH: { invertedByte: 6 /* 000000000000FF00 */, oneWay: false },
  DATA_REQUEST: { invertedByte: 5 /* 0000000000FF0000 */, oneWay: true },
  DATA_RESPONSE: { invertedByte: 3 /* 000000FF00000000 */, oneWay: true },
  DATA_BOTH: { invertedByte: 5 /* 0000000000FF0000 */, oneWay: true },
} as const satisfies Record<string, { invertedByte: number; oneWay: boolean }>;
export type TdesKeyUsage = keyof typeof tdesKeyUsages;

/**
 * What a working key of AES DUKPT is for: bytes 2 and 3 of the derivation data. ANSI X9.24-3:2017, 6.3.
 * As the terminal sees it: it generates the MAC of a request and verifies that of a response.
 */
export const aesKeyUsages = {
  KEK: 0x0002,
  PIN: 0x1000,
  MAC_GEN: 0x2000,
  MAC_VER: 0x2001,
  MAC_BOTH: 0x2002,
  DATA_ENC: 0x3000,
  DATA_DEC: 0x3001,
  DATA_BOTH: 0x3002,
  KEY_DERIVATION: 0x8000,
} as const satisfies Record<string, number>;
export type AesKeyUsage = keyof typeof aesKeyUsages;

/** The usage of the initial key itself, which is no working key. ANSI X9.24-3:2017, 6.3. */
export const initialKeyUsage = 0x8001;

/**
 * What a derived key is: bytes 4 to 7 of the derivation data are the algorithm id and the length in bits.
 * ANSI X9.24-3:2017, 6.3. One id serves HMAC of every length: openemv/dukpt and moov-io/dukpt agree on that.
 */
export const aesKeyTypes = {
  '2TDEA': { algorithmId: 0x0000, keyBytes: 16 },
  '3TDEA': { algorithmId: 0x0001, keyBytes: 24 },
  AES128: { algorithmId: 0x0002, keyBytes: 16 },
  AES192: { algorithmId: 0x0003, keyBytes: 24 },
  AES256: { algorithmId: 0x0004, keyBytes: 32 },
  HMAC128: { algorithmId: 0x0005, keyBytes: 16 },
  HMAC192: { algorithmId: 0x0005, keyBytes: 24 },
  HMAC256: { algorithmId: 0x0005, keyBytes: 32 },
} as const satisfies Record<string, { algorithmId: number; keyBytes: 16 | 24 | 32 }>;
export type AesKeyType = keyof typeof aesKeyTypes;
