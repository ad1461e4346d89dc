import { createPrivateKey, generateKeyPairSync } from 'node:crypto';
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { publishedJson, publishedTest } from '../test/published-vectors.ts';
import {
  ed25519Key,
  hex,
  localSigner,
  logSigner,
  text,
  utf8,
  vectors,
  witnessSigners,
} from '../test/sample-log.ts';
import {
  formatNote,
  formatSignatureLine,
  maxSize,
  type NoteSigner,
  openNote,
  parseNote,
  parseSignatureLines,
  parseVerifierKey,
  signText,
  TransparencyLogError,
  type VerifierKey,
} from './index.ts';

const malformed = expect.objectContaining({ code: 'TLOG_MALFORMED' });
const unsigned = expect.objectContaining({ code: 'TLOG_UNSIGNED' });
const badSignature = expect.objectContaining({ code: 'TLOG_BAD_SIGNATURE' });
const hostile = expect.objectContaining({ code: 'TLOG_HOSTILE_SIZE' });

const sampleText = 'one line\n\nand another\n';
const signature = await signText(sampleText, logSigner);
const sample = formatNote({ text: sampleText, signatures: [signature] });

/** The keys that signed a note, by name. */
function signersOf(note: Uint8Array | string, keys: readonly VerifierKey[]): string[] {
  return openNote(typeof note === 'string' ? utf8(note) : note, keys).signatures.map(({ key }) => key.name);
}

describe('published notes', () => {
  test('ECDSA: a checkpoint of rekor.sigstore.dev', () => {
    const key = parseVerifierKey(vectors.rekor.vkey);
    expect(signersOf(vectors.rekor.note, [key])).toEqual(['rekor.sigstore.dev']);
    expect(() => openNote(utf8(vectors.rekor.note.replace('798034', '798035')), [key])).toThrow(badSignature);
  });

  publishedTest('the example of C2SP signed-note', () => {
    const { vkey, note } = publishedJson<{ vkey: string; note: string }>('notes/c2sp-examples.json');
    const opened = openNote(utf8(note), [parseVerifierKey(vkey)]);
    expect(opened.text).toBe('This is an example message.\n');
    expect(text(formatNote(parseNote(utf8(note))))).toBe(note);
  });

  publishedTest('the example of C2SP tlog-cosignature, whose keys are not published', () => {
    const { checkpoint_parse_only } = publishedJson<{ checkpoint_parse_only: string }>(
      'notes/c2sp-examples.json',
    );
    const { signatures } = parseNote(utf8(checkpoint_parse_only));
    expect(signatures.map(({ name }) => name)).toEqual([
      'example.com/behind-the-sofa',
      'witness.example.com/w1',
    ]);
    expect(Buffer.from(signatures[1]!.signature).readBigUInt64BE()).toBe(1679315147n);
  });

  publishedTest(
    'Go sumdb/note: two signers, one of them unknown, and the same signature made again',
    async () => {
      const go = publishedJson<Record<string, string>>('notes/go-note-vectors.json');
      const [peter, enoch] = [parseVerifierKey(go['peter_vkey']!), parseVerifierKey(go['enoch_vkey']!)];
      const note = `${go['text']}\n${go['peter_sig_line']}${go['enoch_sig_line']}`;
      expect(signersOf(note, [peter, enoch])).toEqual(['PeterNeumann', 'EnochRoot']);
      expect(signersOf(note, [enoch])).toEqual(['EnochRoot']);
      const seed = Buffer.from(go['peter_skey_TEST_ONLY']!.split('+').slice(4).join('+'), 'base64').subarray(
        1,
      );
      const pkcs8 = Buffer.concat([Buffer.from('302e020100300506032b657004220420', 'hex'), seed]);
      const key = createPrivateKey({ key: pkcs8, format: 'der', type: 'pkcs8' });
      const signer = localSigner('PeterNeumann', 'ed25519', key);
      expect(signer.key).toEqual(peter);
      expect(formatSignatureLine(await signText(go['text']!, signer))).toBe(go['peter_sig_line']);
    },
  );

  publishedTest('a checkpoint of sum.golang.org with three more signers', () => {
    const sumdb = publishedJson<{
      checkpoint: string;
      log_vkey: string;
      extra_verifiers: string[];
      extra_sig_lines: string[];
    }>('notes/formats-sumdb-multisig.json');
    const keys = [sumdb.log_vkey, ...sumdb.extra_verifiers].map(parseVerifierKey);
    const note = sumdb.checkpoint + sumdb.extra_sig_lines.map((line) => `${line.trimEnd()}\n`).join('');
    expect(signersOf(note, keys)).toEqual(['sum.golang.org', 'monkeys', 'bananas', 'witness']);
  });

  publishedTest('transparency-dev/formats: a cosignature, and what is none', () => {
    const { cases } = publishedJson<{ cases: { sig_b64: string; timestamp?: number; error?: boolean }[] }>(
      'notes/formats-cosigv1.json',
    );
    const [works, , gibberish] = cases;
    const { signature: made } = parseSignatureLines(`— TEST ${works!.sig_b64}\n`)[0]!;
    expect(made).toHaveLength(72);
    expect(Buffer.from(made).readBigUInt64BE()).toBe(BigInt(works!.timestamp!));
    expect(() => parseSignatureLines(`— TEST ${gibberish!.sig_b64}\n`)).toThrow(malformed);
  });
});

describe('openNote', () => {
  test('gives the text, with its empty lines', () => {
    expect(openNote(sample, [logSigner.key])).toEqual({
      text: sampleText,
      signatures: [{ key: logSigner.key }],
    });
  });

  test('ignores unknown keys, even with the name or the key id of a known one, and needs one that is known', () => {
    const [name, keyId] = ['other.example', 1];
    const others = [
      { ...signature, name },
      { ...signature, keyId },
      { name, keyId, signature: Uint8Array.of(1) },
    ];
    expect(
      signersOf(formatNote({ text: sampleText, signatures: [...others, signature] }), [logSigner.key]),
    ).toEqual([logSigner.key.name]);
    expect(() => openNote(formatNote({ text: sampleText, signatures: others }), [logSigner.key])).toThrow(
      unsigned,
    );
    expect(() => openNote(sample, [])).toThrow(unsigned);
  });

  test('refuses the whole note if one known key did not make its signature', async () => {
    const [witness] = witnessSigners as [NoteSigner];
    const cosignature = await signText('another text\n', witness, 1n);
    const note = formatNote({ text: sampleText, signatures: [signature, cosignature] });
    expect(signersOf(note, [logSigner.key])).toEqual([logSigner.key.name]);
    expect(() => openNote(note, [logSigner.key, witness.key])).toThrow(badSignature);
  });

  test('a flipped bit anywhere', () => {
    for (let at = 0; at < sample.length; at++) {
      for (let bit = 0; bit < 8; bit++) {
        const changed = Uint8Array.from(sample);
        changed[at]! ^= 1 << bit;
        expect(() => openNote(changed, [logSigner.key])).toThrow(TransparencyLogError);
      }
    }
  });

  test('a byte removed or added anywhere', () => {
    fc.assert(
      fc.property(fc.nat(sample.length), fc.nat(255), (at, byte) => {
        const [head, tail] = [sample.subarray(0, at), sample.subarray(at)];
        const added = Buffer.concat([head, Uint8Array.of(byte), tail]);
        expect(() => openNote(added, [logSigner.key])).toThrow(TransparencyLogError);
        if (tail.length === 0) return;
        const removed = Buffer.concat([head, tail.subarray(1)]);
        expect(() => openNote(removed, [logSigner.key])).toThrow(TransparencyLogError);
      }),
    );
  });

  test('every other length of a signature', () => {
    for (const signer of [logSigner, witnessSigners[0]!]) {
      for (let length = 0; length <= 80; length++) {
        const { name, keyId } = signer.key;
        const note = formatNote({
          text: sampleText,
          signatures: [{ name, keyId, signature: new Uint8Array(length) }],
        });
        expect(() => openNote(note, [signer.key])).toThrow(length === 0 ? malformed : badSignature);
      }
    }
  });
});

describe('the form, C2SP signed-note, "Format"', () => {
  const line = formatSignatureLine(signature);

  test.each([
    ['nothing', ''],
    ['no signature', `${sampleText}\n`],
    ['no empty line', `one line\n${line}`],
    ['no line feed at the end', `one line\n\n${line.trimEnd()}`],
    ['a line feed too many at the end', `one line\n\n${line}\n`],
    ['a hyphen for the dash', `one line\n\n${line.replace('—', '-')}`],
    ['no dash', `one line\n\n${line.slice(2)}`],
    ['two spaces', `one line\n\n${line.replace('— ', '—  ')}`],
    ['a space at the end', `one line\n\n${line.trimEnd()} \n`],
    ['no name', `one line\n\n— ${line.split(' ')[2]}`],
    ['a + in the name', `one line\n\n${line.replace('example', 'exam+ple')}`],
    ['a no-break space in the name', `one line\n\n${line.replace('example', 'exam\u00a0ple')}`],
    ['no base64', 'one line\n\n— a !!!!\n'],
    ['base64 without padding', `one line\n\n${line.replace('=', '')}`],
    ['base64 for URLs', 'one line\n\n— a AAAA-_AA\n'],
    ['a key id and nothing more', 'one line\n\n— a AAAAAA==\n'],
    ['a carriage return', `one line\r\n\n${line}`],
    ['a tab', `one\tline\n\n${line}`],
    ['a zero', `one\u0000line\n\n${line}`],
  ])('%s', (_, note) => {
    expect(() => parseNote(utf8(note))).toThrow(malformed);
  });

  test('signature lines by themselves, as a witness answers with them', () => {
    expect(parseSignatureLines(line + line)).toHaveLength(2);
    for (const lines of ['', '\n', line.trimEnd(), line + line.trimEnd(), `\n${line}`, `${line}\n`]) {
      expect(() => parseSignatureLines(lines)).toThrow(malformed);
    }
  });

  test('UTF-8 and nothing else; a byte order mark is text like any other', () => {
    expect(() => parseNote(Buffer.concat([Uint8Array.of(0xff), sample]))).toThrow(malformed);
    expect(() => parseNote(Buffer.concat([Uint8Array.of(0xed, 0xa0, 0x80), sample]))).toThrow(malformed);
    expect(parseNote(utf8(`\ufeff${text(sample)}`)).text).toBe(`\ufeff${sampleText}`);
  });

  test('up to 100 signatures', () => {
    expect(parseNote(utf8(`one line\n\n${line.repeat(100)}`)).signatures).toHaveLength(100);
    expect(() => parseNote(utf8(`one line\n\n${line.repeat(101)}`))).toThrow(hostile);
    expect(() => parseSignatureLines(`${line.repeat(100_000)}`)).toThrow(hostile);
  });

  test.each(['', 'no line feed', 'a\u0000\n', 'a\r\n', 'a\ud800\n'])(
    'no note is made of the text %j',
    async (bad) => {
      expect(() => formatNote({ text: bad, signatures: [signature] })).toThrow(malformed);
      await expect(signText(bad, logSigner)).rejects.toThrow(malformed);
    },
  );

  test('every note comes back', () => {
    const lines = fc.array(fc.stringMatching(/^[ -~é—\u{1f600}]*$/u), { minLength: 1, maxLength: 5 });
    fc.assert(
      fc.property(lines, fc.uint8Array({ minLength: 1, maxLength: 80 }), (written, made) => {
        const note = {
          text: `${written.join('\n')}\n`,
          signatures: [{ name: 'é', keyId: 0xfffffffe, signature: made }],
        };
        const read = parseNote(formatNote(note));
        expect(read.text).toBe(note.text);
        expect(read.signatures.map((one) => ({ ...one, signature: hex(one.signature) }))).toEqual([
          { name: 'é', keyId: 0xfffffffe, signature: hex(made) },
        ]);
      }),
    );
  });
});

describe('signText', () => {
  test('ECDSA, as a payment HSM signs', async () => {
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const signer = localSigner('hsm.example', 'ecdsa-sha256', privateKey);
    const note = formatNote({ text: sampleText, signatures: [await signText(sampleText, signer)] });
    expect(signersOf(note, [signer.key])).toEqual(['hsm.example']);
  });

  test('a cosignature carries its time, to 2^63 - 1 seconds', async () => {
    const [witness] = witnessSigners as [NoteSigner];
    for (const timestampSeconds of [0n, 1_764_000_000n, maxSize]) {
      const note = formatNote({
        text: sampleText,
        signatures: [await signText(sampleText, witness, timestampSeconds)],
      });
      expect(openNote(note, [witness.key]).signatures).toEqual([{ key: witness.key, timestampSeconds }]);
    }
    await expect(signText(sampleText, witness, maxSize + 1n)).rejects.toThrow(hostile);
    await expect(signText(sampleText, witness, -1n)).rejects.toThrow(hostile);
  });

  test('a cosignature of a time beyond 2^63 - 1 does not count, though the key made it', async () => {
    const [witness] = witnessSigners as [NoteSigner];
    const time = 2n ** 63n;
    const made = await witness.sign(utf8(`cosignature/v1\ntime ${time}\n${sampleText}`));
    const stamp = Buffer.alloc(8);
    stamp.writeBigUInt64BE(time);
    const { name, keyId } = witness.key;
    const note = formatNote({
      text: sampleText,
      signatures: [{ name, keyId, signature: Buffer.concat([stamp, made]) }],
    });
    expect(() => openNote(note, [witness.key])).toThrow(badSignature);
  });

  test('a time goes with a cosignature key, and only with one', async () => {
    await expect(signText(sampleText, logSigner, 1n)).rejects.toThrow(malformed);
    await expect(signText(sampleText, witnessSigners[0]!)).rejects.toThrow(malformed);
  });

  test('a signature that does not verify never leaves: another key, an answer that was cut, or nothing', async () => {
    const other = localSigner(logSigner.key.name, 'ed25519', ed25519Key(9));
    for (const sign of [
      other.sign,
      async (message: Uint8Array) => (await logSigner.sign(message)).subarray(1),
      async () => new Uint8Array(0),
    ]) {
      await expect(signText(sampleText, { key: logSigner.key, sign })).rejects.toThrow(badSignature);
    }
  });

  test('what the signer throws comes through', async () => {
    const sign = async () => {
      throw new Error('HSM_TIMEOUT');
    };
    await expect(signText(sampleText, { key: logSigner.key, sign })).rejects.toThrow('HSM_TIMEOUT');
  });
});
