import { createPublicKey, type KeyObject, sign, verify } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { canonicalJson } from '@openkdh/hsm-management';
import { SoftHsmError } from '../errors.ts';
import { firmware } from '../firmware.ts';
import { type Measurements, measureProgram } from './program-files.ts';

/**
 * The program's own files as they were when whoever installed them signed for them. It finds a file that was changed,
 * added or taken away, by accident or by somebody who has not the key. It does not find what was changed together with
 * the code that looks, or with the key it is told to look with, nor anything in Node.js, the system or the memory.
 */
export interface Manifest {
  firmware: string;
  files: Measurements;
}

/** The file of `--manifest`, JSON. */
export interface SignedManifest {
  manifest: Manifest;
  /** Ed25519 over the canonical form, upper-case hex. */
  signature: string;
}

/** Where the manifest is, and the Ed25519 public key that it is signed with, PEM. */
export interface ManifestPlace {
  file: string;
  keyFile: string;
}

/** Measures the program as it is now. */
export function makeManifest(privateKey: KeyObject): SignedManifest {
  const manifest = { firmware, files: measureProgram() };
  const signature = sign(null, bytesOf(manifest), privateKey).toString('hex').toUpperCase();
  return { manifest, signature };
}

/**
 * The files that are not as the manifest says. Throws SOFT_HSM_FILE for a manifest that is none, that is signed by
 * somebody else, or that is of another firmware: after an update the new files have to be signed.
 */
export function changedFiles(place: ManifestPlace): string[] {
  const expected = readManifest(place).files;
  const found = measureProgram();
  const names = new Set([...Object.keys(expected), ...Object.keys(found)]);
  return [...names].filter((name) => expected[name] !== found[name]).sort();
}

function readManifest({ file, keyFile }: ManifestPlace): Manifest {
  const key = readKey(keyFile);
  const { manifest, signature } = parse(file);
  if (!verify(null, bytesOf(manifest), key, Buffer.from(signature, 'hex'))) {
    throw bad(`${file} is not signed with the key of this installation`);
  }
  if (manifest.firmware !== firmware) {
    throw bad(`${file} is of firmware ${manifest.firmware}, and this is ${firmware}: sign the new files`);
  }
  return manifest;
}

function readKey(file: string): KeyObject {
  try {
    const key = createPublicKey(readFileSync(file));
    if (key.asymmetricKeyType === 'ed25519') return key;
  } catch {
    // falls through: a file that cannot be read is as good as none
  }
  throw bad(`${file} is not an Ed25519 public key in PEM`);
}

function parse(file: string): SignedManifest {
  try {
    const signed = JSON.parse(readFileSync(file, 'utf8')) as SignedManifest;
    if (typeof signed.manifest.files === 'object' && typeof signed.signature === 'string') return signed;
  } catch {
    // falls through: a file that cannot be read is as good as none
  }
  throw bad(`${file} is none`);
}

function bytesOf(manifest: Manifest): Buffer {
  return Buffer.from(canonicalJson(manifest));
}

function bad(why: string): SoftHsmError {
  return new SoftHsmError('SOFT_HSM_FILE', `manifest: ${why}`);
}
