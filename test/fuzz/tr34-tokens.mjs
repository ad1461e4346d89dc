/** TR-34 tokens, certificates and CRLs as received; and key tokens signed by the right KDH, whatever is in them. */
import assert from 'node:assert/strict';
import { createCipheriv, createHash, createPrivateKey, sign, X509Certificate } from 'node:crypto';
import {
  acceptKdhCredential,
  acceptKrdCredential,
  assembleKeyToken,
  describeToken,
  issuerAndSerialNumber,
  openCaRebindToken,
  openCaUnbindToken,
  openKeyToken,
  openRebindToken,
  openUnbindToken,
  parseCertificate,
  parseCredentialToken,
  parseCrl,
  parseKeyToken,
  parseRandomToken,
  rolePolicies,
  rsaPublicKey,
  Tr34Error,
  verifyToken,
} from '@openkdh/tr34';
import { placesIn, readTree, writeTree } from './der-tree.mjs';
import { laterRefusalCode, readVectors, refusalCode } from './inputs.mjs';

const { pki, tokens } = readVectors('tr34.json');
const bytes = (hex) => new Uint8Array(Buffer.from(hex, 'hex'));
const certificate = (name) => new Uint8Array(new X509Certificate(pki[name].certificatePem).raw);
const trust = {
  anchors: [certificate('root')],
  intermediates: [certificate('kdhCa'), certificate('krdCa')],
  rolePolicy: rolePolicies.purposeOrName,
  revocation: { whenAbsent: 'accept' },
  at: new Date('2026-11-24T00:00:00Z'),
};
const krd = { certificate: certificate('krd1'), kdhCertificate: certificate('kdh1'), trust };
const krdCa = certificate('krdCa');
const nonces = { take: () => true };
const noKey = { decrypt: () => Promise.reject(new Tr34Error('TR34_UNWRAP_FAILED', 'no key here')) };

export const receivedTokens = {
  name: 'TR-34 tokens, certificates, CRLs',
  samples: [
    ...tokens
      .flatMap(({ derHex, randomTokenDerHex }) => [derHex, randomTokenDerHex])
      .filter(Boolean)
      .map(bytes),
    ...Object.keys(pki).map(certificate),
    ...parseCredentialToken(bytes(tokens.find(({ kind }) => kind === 'kdhCredentialToken').derHex)).crls,
  ],
  mutate: (random, sample, other) => mutateDer(random, sample, other),
  async read(input) {
    const outcomes = [
      parseRandomToken,
      parseCredentialToken,
      parseKeyToken,
      parseCertificate,
      parseCrl,
      issuerAndSerialNumber,
      rsaPublicKey,
      (token) => acceptKrdCredential(token, trust),
      (token) => acceptKdhCredential(token, trust),
      (token) => openCaUnbindToken(token, krd, krdCa),
      (token) => openCaRebindToken(token, krd, krdCa),
      (token) => verifyToken(token, krd.kdhCertificate),
    ].map((read) => refusalCode(Tr34Error, () => read(input)));
    for (const open of [
      () => openUnbindToken(input, krd, nonces),
      () => openRebindToken(input, krd, nonces),
      () => openKeyToken(input, krd, noKey, { nonces }),
    ]) {
      outcomes.push(await laterRefusalCode(Tr34Error, open));
    }
    let described;
    const refused = refusalCode(Tr34Error, () => {
      described = describeToken(input);
    });
    outcomes.push(refused ?? [described.kind, ...described.deviations].join(' '));
    return outcomes.join(' ');
  },
};

const [keyToken] = tokens.filter(({ kind }) => kind === 'twoPassKeyToken');
const { contentEncryptionKey, keyBlockDerHex, nonce } = keyToken.expected;
const { envelopedData, signedData, signer } = parseKeyToken(bytes(keyToken.derHex));
const { attributeBytes } = signedData.signer;
const kdhKey = createPrivateKey(pki.kdh1.privateKeyPem);
const contentKey = { decrypt: async () => bytes(contentEncryptionKey) };
const once = { nonces: { take: (taken) => Buffer.from(taken).equals(bytes(nonce)) } };

/** A part of a key token is changed, and what stands around it fits again: encrypted, digested, signed by the KDH. */
export const signedTokens = {
  name: 'TR-34 key tokens, signed by their KDH',
  samples: [{ keyBlock: bytes(keyBlockDerHex), envelope: signedData.content, attributes: attributeBytes }],
  mutate(random, sample) {
    const part = random.pick(['keyBlock', 'keyBlock', 'envelope', 'attributes']);
    return { ...sample, [part]: mutateDer(random, sample[part], signedData.content) };
  },
  async read({ keyBlock, envelope, attributes }) {
    let token;
    const refused = refusalCode(Tr34Error, () => {
      token = signedToken(keyBlock, envelope, attributes);
    });
    if (refused) return `assemble: ${refused}`;
    let opened;
    const code = await laterRefusalCode(Tr34Error, async () => {
      opened = await openKeyToken(token, krd, contentKey, once);
    });
    if (code) return code;
    assert.ok(opened.key.length > 0 && opened.header.length >= 16, 'a key that cannot be one');
    return `${opened.algorithm} ${opened.key.length} ${opened.deviations.join(' ')}`;
  },
};

function signedToken(keyBlock, envelope, attributes) {
  const cipher = createCipheriv('aes-128-cbc', bytes(contentEncryptionKey), envelopedData.iv);
  const encrypted = Buffer.concat([cipher.update(keyBlock), cipher.final()]);
  const content = replaced(envelope, envelopedData.encryptedContent, encrypted);
  const digest = (of) => createHash('sha256').update(of).digest();
  const fitting = replaced(attributes, digest(signedData.content), digest(content));
  const authenticatedAttributes = writeTree([{ tag: 0x31, content: fitting }]);
  const signature = sign('sha256', authenticatedAttributes, kdhKey);
  return assembleKeyToken({
    envelopedData: content,
    authenticatedAttributes,
    signature,
    signer,
    dialect: 'strict',
  });
}

/** DER in which the values that are `old` are `put`. */
function replaced(der, old, put) {
  const tree = readTree(der);
  if (!tree) return der;
  for (const { node } of placesIn(tree)) {
    if (node.content && Buffer.compare(node.content, old) === 0) node.content = put;
  }
  return writeTree(tree);
}

/** Tags that occur in tokens, and some that do not. */
const tags = [
  0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x0c, 0x13, 0x17, 0x18, 0x30, 0x31, 0x80, 0xa0, 0xa1, 0xa2, 0xa3, 0x1f,
];

/** A few values changed, with the lengths around them right; now and then some octets, which breaks those too. */
function mutateDer(random, sample, other) {
  const tree = readTree(sample);
  const elsewhere = readTree(other);
  let der = sample;
  if (tree?.length && elsewhere?.length) {
    for (let edits = 1 + random.below(2); edits > 0; edits--) editTree(random, tree, elsewhere);
    der = writeTree(tree);
  }
  if (!random.chance(tree ? 15 : 100)) return new Uint8Array(der);
  const at = random.below(der.length + 1);
  const rest = der.subarray(at + random.below(4));
  return new Uint8Array(Buffer.concat([der.subarray(0, at), random.bytes(random.below(4)), rest]));
}

function editTree(random, tree, elsewhere) {
  const places = placesIn(tree);
  if (places.length === 0) return;
  const { node, siblings } = random.pick(places);
  const at = siblings.indexOf(node);
  const graft = random.pick(placesIn(elsewhere)).node;
  switch (random.below(9)) {
    case 0:
      node.tag = random.pick(tags);
      break;
    case 1:
      siblings.splice(at, 1);
      break;
    case 2:
      siblings.splice(at, 0, structuredClone(node));
      break;
    case 3:
      siblings.splice(at, random.below(2), structuredClone(graft));
      break;
    case 4:
      siblings.reverse();
      break;
    case 5:
      siblings[at] = { tag: random.pick(tags), children: [node] };
      break;
    case 6:
      siblings[at] = deep(random, node);
      break;
    default:
      siblings[at] = {
        tag: node.tag,
        content: editContent(random, node.content ?? writeTree(node.children)),
      };
  }
}

/** Nested as deep as no token is. */
function deep(random, node) {
  let nested = node;
  for (let depth = random.chance(5) ? 2000 : 20; depth > 0; depth--) {
    nested = { tag: 0x30, content: writeTree([nested]) };
  }
  return nested;
}

function editContent(random, content) {
  const edited = Buffer.from(content);
  switch (random.below(4)) {
    case 0:
      return random.bytes(random.below(20));
    case 1:
      return edited.subarray(0, random.below(edited.length + 1));
    case 2:
      return Buffer.concat([edited, random.bytes(1 + random.below(8))]);
    default:
      if (edited.length > 0)
        edited[random.below(edited.length)] = random.pick([0, 1, 0x30, 0x7f, 0x80, 0xff]);
      return edited;
  }
}
