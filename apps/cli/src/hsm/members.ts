import { createPublicKey } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { ed25519Hex, type Officer } from '@openkdh/hsm-management';
import { CliError } from '../errors.ts';
import { type Member, text } from '../members.ts';

/** Every command that talks to an HSM has it. */
export const socket = text('management socket of the HSM: management.sock in its state folder');

/** Officers with their public keys; on the command line each as NAME=FILE, with the public key in PEM. */
export const officers: Member<Officer[]> = {
  ...text('officer and file with the public key (Ed25519, PEM), as NAME=FILE; two or more'),
  repeated: true,
  fromArgument(argument) {
    const [, name, file] = /^([^=]*)=(.*)$/s.exec(argument) ?? [];
    return file === undefined ? argument : { name, publicKey: readFileSync(file, 'utf8') };
  },
  read(given, name) {
    if (!Array.isArray(given)) throw expected(name, 'a list of {name, publicKey}');
    return given.map((officer: unknown) => {
      const { name: person, publicKey } = (officer ?? {}) as Record<string, unknown>;
      const key = typeof publicKey === 'string' ? publicKeyHex(publicKey) : undefined;
      if (typeof person !== 'string' || key === undefined)
        throw expected(name, 'NAME=FILE with an Ed25519 public key in PEM');
      return { name: person, publicKey: key };
    });
  },
};

/** Names, as they are; on the command line one at a time. */
export function names(meaning: string): Member<string[]> {
  return {
    ...text(meaning),
    repeated: true,
    read(given, name) {
      if (Array.isArray(given) && given.every((one) => typeof one === 'string')) return given;
      throw expected(name, 'a list of names');
    },
  };
}

/** 32 bytes in hex; `undefined` for anything but the public key of an officer. */
function publicKeyHex(pem: string): string | undefined {
  try {
    return ed25519Hex(createPublicKey(pem));
  } catch {
    return undefined;
  }
}

function expected(name: string, what: string): CliError {
  return new CliError('CLI_MEMBER_INVALID', `${name}: expected ${what}`);
}
