import { CliError } from './errors.ts';

/**
 * Waits for a call of node:fs about the path that a member gives. @throws CLI_FILE: names the member and the reason
 * but never the path, since a token may have been typed in its place
 */
export async function onFile<Result>(member: string, call: Promise<Result>): Promise<Result> {
  try {
    return await call;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new CliError('CLI_FILE', `${member}: the file system answers ${code}`);
  }
}
