/** Key blocks of X9.143 and of Thales: texts to read, and headers to wrap, which are authentic whatever they say. */
import assert from 'node:assert/strict';
import { inspectKeyBlock, kbpk, keyUsages, parseHeader, profiles, Tr31Error } from '@openkdh/tr31';
import { lmkHandle, parseThalesHeader } from '@openkdh/tr31/thales';
import { readVectors, refusalCode } from './inputs.mjs';

const printable = Array.from({ length: 0x5f }, (_, n) => String.fromCharCode(0x20 + n)).join('');
const digits = '0123456789ABCDEF';
const optionalIds = 'AL BI CT DA FL HM IK KC KP KS KV LB PB PK TC TS WP 10 00 03 9A ZZ lb'.split(' ');
/** Data that some kind of optional block takes, to be mutated. */
const optionalData = [
  ...['0101', '00FFFF987654', '01FFFF9876', '00AAAA', '02000004AAAA', '01D2ABN', '21', '0123456789ABCDEF'],
  ...[
    '00604B120F9292800000',
    'DE#GBIC#OPT1',
    '00012345',
    '010123456789',
    '20200229235959Z',
    '002',
    'IBMC0114',
  ],
  ...['2018-06-18T20:42:39.22Z', 'E', '2026:11:24:00', ''],
];

const { cases } = readVectors('tr31.json');
/** In place of random bytes, so that a seed repeats the run. */
const random = (length) => new Uint8Array(length);
const protection = kbpk(Buffer.from('000102030405060708090A0B0C0D0E0F1011121314151617', 'hex'));
const lenient = { profile: 'lenient' };
/** Blocks that `protection` made. No other may open. */
const authentic = new Set();

export const keyBlocks = {
  name: 'key blocks, as text',
  samples: [...cases.map(({ keyBlock }) => keyBlock), ...[...'ABCDE'].map(ownBlock)],
  mutate: mutateText,
  read(text) {
    const { fields, findings } = inspectKeyBlock(text);
    for (const { at } of [...fields, ...findings]) {
      assert.ok(0 <= at.start && at.start <= at.end && at.end <= text.length, 'a span outside the text');
    }
    for (const profile of Object.keys(profiles)) {
      const refused = findings.some(({ code }) => !profiles[profile].includes(code));
      const code = refusalCode(Tr31Error, () => parseHeader(text, { profile }));
      assert.equal(code !== undefined, refused, `${profile}: ${code}`);
    }
    const code = refusalCode(Tr31Error, () => protection.unwrap(text, lenient).key.fill(0));
    assert.ok(code || authentic.has(text.toUpperCase()), 'a block that nobody made opened');
    return [...new Set(findings.map((finding) => finding.code))].sort().join(' ') + (code ?? 'opened');
  },
};

export const wrappedHeaders = {
  name: 'key blocks, authentic under any header',
  samples: cases.map((vector) => ({
    header: parseHeader(vector.keyBlock, lenient).header,
    key: Buffer.from(vector.key, 'hex'),
  })),
  mutate: mutateHeader,
  read({ header, key }) {
    // What the key shows may pass here: it is a fault only if wrap and unwrap see different things.
    const options = { ...lenient, letPass: trustCodes, random };
    let block;
    const refused = refusalCode(Tr31Error, () => {
      block = protection.wrap(header, key, options);
    });
    if (refused) return `wrap: ${refused}`;
    const { key: unwrapped, padding, deviations, header: read } = protection.unwrap(block, options);
    assert.deepEqual(Buffer.from(unwrapped), Buffer.from(key), 'another key came back');
    assert.equal(protection.wrap(read, unwrapped, { ...options, padding }), block, 'not wrapped alike again');
    const code = refusalCode(Tr31Error, () => protection.unwrap(block));
    assert.equal(code !== undefined, deviations.length > 0, 'strict and lenient met different things');
    return deviations.map((finding) => finding.code).join(' ');
  },
};

const trustCodes = ['TR31_KC_MISMATCH', 'TR31_KP_MISMATCH', 'TR31_WP_MISMATCH', 'TR31_KBPK_WEAKER'];

const thales = readVectors('payshield.json');
const lmks = [thales.test_lmks.aes_key_block, thales.test_lmks.tdes_key_block].map(({ key }) =>
  lmkHandle(Buffer.from(key, 'hex')),
);
const thalesPublished = [...thales.s_block_v1.vectors, ...thales.s_block_v0.vectors].map(
  ({ block }) => block,
);
const privateKeys = thales.s_block_v0_rsa_private.vectors.map(({ block_hex }) =>
  Buffer.from(block_hex, 'hex').toString('latin1'),
);
const [aesLmk, tdesLmk] = lmks;
const thalesHeader = {
  ...parseThalesHeader(thales.s_block_v1.vectors[0].block).header,
  optionalBlocks: [{ id: '05', data: 'FUZZ AND BUZ' }],
};
const thalesOwn = [
  aesLmk.wrap({ ...thalesHeader, versionId: '1' }, new Uint8Array(16), { padding: random(14) }),
  tdesLmk.wrap({ ...thalesHeader, versionId: '0' }, new Uint8Array(16), { padding: random(6) }),
];
const thalesAuthentic = new Set([...thalesPublished, ...privateKeys, ...thalesOwn]);

export const thalesBlocks = {
  name: 'Thales key blocks',
  samples: [...thalesPublished, ...privateKeys, ...thalesOwn],
  mutate: mutateText,
  read(text) {
    const binary = Buffer.from(text, 'latin1');
    const outcomes = [refusalCode(Tr31Error, () => parseThalesHeader(text))];
    for (const lmk of lmks) {
      for (const [opened, open] of [
        [text.toUpperCase(), () => lmk.unwrap(text)], // hex in either case
        [withUpperMac(binary.toString('latin1')), () => lmk.unwrapPrivateKey(binary)],
      ]) {
        const code = refusalCode(Tr31Error, () => open().key.fill(0));
        assert.ok(code || thalesAuthentic.has(opened), 'a block that nobody made opened');
        outcomes.push(code);
      }
    }
    return outcomes.join(' ');
  },
};

/** A private key in binary; only its MAC is hex. */
function withUpperMac(block) {
  return block.slice(0, -8) + block.slice(-8).toUpperCase();
}

function ownBlock(versionId) {
  const { header } = parseHeader(cases[0].keyBlock, lenient);
  const block = protection.wrap(
    { ...header, versionId, optionalBlocks: [{ id: 'LB', data: 'fuzz' }] },
    new Uint8Array(16),
    { ...lenient, random },
  );
  authentic.add(block.toUpperCase());
  return block;
}

/** A few edits; more often than not the length field then fits again, so that the reader gets past it. */
function mutateText(random, sample, other) {
  let text = sample;
  for (let edits = 1 + random.below(3); edits > 0; edits--) text = editText(random, text, other);
  if (random.chance(60)) text = text[0] + String(text.length).padStart(4, '0').slice(-4) + text.slice(5);
  return text;
}

function editText(random, text, other) {
  const at = random.below(random.chance(50) ? Math.min(text.length, 40) : text.length + 1);
  const put = (piece, removed = piece.length) => text.slice(0, at) + piece + text.slice(at + removed);
  switch (random.below(8)) {
    case 0:
      return put(random.pick(printable));
    case 1:
      return put(random.pick(digits));
    case 2:
      return put('', 1 + random.below(8));
    case 3:
      return put(text.slice(at, at + 1 + random.below(32)), 0);
    case 4: // a character of two bytes, the lower of which is what stands there
      return put(String.fromCharCode((text.charCodeAt(at) || 0) + 0x100 * random.below(4)));
    case 5: // the end of another block
      return put(other.slice(random.below(other.length)), text.length);
    case 6: // attributes that are known
      return (
        text.slice(0, 5) +
        random.pick(knownUsages) +
        random.pick('ADEHIJRST') +
        random.pick('BCDEGNSTVXY') +
        text.slice(9)
      );
    default: // an optional block more, and counted
      return withOptionalBlock(random, text);
  }
}

const knownUsages = Object.keys(keyUsages);

function withOptionalBlock(random, text) {
  const { id, data } = optionalBlock(random);
  const length = data.length + 4;
  const hex = (value, width) => value.toString(16).toUpperCase().padStart(width, '0');
  const block = random.chance(80)
    ? `${id}${hex(length & 0xff, 2)}${data}`
    : `${id}00${random.pick(['04', '04', '02', '03', '01', '00', '08'])}${hex(data.length + 10, 4)}${data}`;
  const padding = random.chance(50) ? (16 - (block.length % 16)) % 16 : 0;
  const padded = padding >= 4 ? `${block}PB${hex(padding, 2)}${'0'.repeat(padding - 4)}` : block;
  const count = (Number(text.slice(12, 14)) || 0) + (padded === block ? 1 : 2);
  return `${text.slice(0, 12)}${String(count).padStart(2, '0').slice(-2)}${text.slice(14, 16)}${padded}${text.slice(16)}`;
}

function optionalBlock(random) {
  let data = random.pick(optionalData);
  const at = random.below(data.length + 1);
  if (random.chance(40))
    data = data.slice(0, at) + random.text(random.below(3), printable) + data.slice(at + 1);
  if (random.chance(5)) data += random.text(random.below(400), printable);
  return { id: random.pick(optionalIds), data };
}

function mutateHeader(random, sample, other) {
  const header = { ...sample.header, optionalBlocks: [...sample.header.optionalBlocks] };
  let key = Uint8Array.from(random.chance(10) ? other.key : sample.key);
  for (let edits = 1 + random.below(3); edits > 0; edits--) {
    const at = random.below(header.optionalBlocks.length + 1);
    switch (random.below(6)) {
      case 0:
        header.keyUsage = random.chance(80) ? random.pick(knownUsages) : random.text(2, printable);
        break;
      case 1:
        header.algorithm = random.chance(80) ? random.pick('ADEHIJRST') : random.pick(printable);
        break;
      case 2: {
        const field = random.pick(['modeOfUse', 'exportability', 'keyContext', 'keyVersion', 'versionId']);
        header[field] = random.chance(50)
          ? other.header[field]
          : random.text(header[field].length, printable);
        break;
      }
      case 3:
        header.optionalBlocks.splice(at, random.below(2), optionalBlock(random));
        break;
      case 4:
        header.optionalBlocks.splice(at, 1);
        break;
      default: // a symmetric key of some length, or the DER of an asymmetric one with some bytes changed
        if (random.chance(30)) key = random.bytes(random.below(40));
        else key[random.below(Math.min(key.length, 40))] = random.pick([0, 1, 2, 4, 0x30, 0x80, 0x82, 0xff]);
    }
  }
  return { header, key };
}
