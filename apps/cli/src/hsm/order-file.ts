import { readFile, writeFile } from 'node:fs/promises';
import type { SignedOrder } from '@openkdh/hsm-management';
import { CliError } from '../errors.ts';
import { onFile } from '../files.ts';

/** Reads an order with the signatures that it has so far. Throws CLI_FILE, CLI_MEMBER_INVALID. */
export async function readOrderFile(path: string): Promise<SignedOrder> {
  const { order, signatures } = await readJsonFile('order', path);
  if (typeof order !== 'object' || order === null || !Array.isArray(signatures)) {
    throw new CliError('CLI_MEMBER_INVALID', 'order: expected a file that an order was written to');
  }
  return { order, signatures } as SignedOrder;
}

/** `flag`: `wx` for a new file, `w` for one with another signature. Throws CLI_FILE. */
export async function writeOrderFile(
  path: string,
  signed: SignedOrder,
  member: string,
  flag: 'w' | 'wx',
): Promise<void> {
  await onFile(member, writeFile(path, `${JSON.stringify(signed, undefined, 2)}\n`, { flag }));
}

/** A file of one JSON object. Throws CLI_FILE, CLI_MEMBER_INVALID; names the member and never what is in the file. */
export async function readJsonFile(member: string, path: string): Promise<Record<string, unknown>> {
  const text = await onFile(member, readFile(path, 'utf8'));
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === 'object' && value !== null && !Array.isArray(value))
      return value as Record<string, unknown>;
  } catch {
    // refused below
  }
  throw new CliError('CLI_MEMBER_INVALID', `${member}: expected a file with a JSON object`);
}
