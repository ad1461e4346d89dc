import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, realpathSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';

/** SHA-256 in upper-case hex by file, which is named by its package and its path in there. */
export type Measurements = Readonly<Record<string, string>>;

/** The package of this program. */
export const programFolder = realpathSync(join(import.meta.dirname, '../..'));

/** What Node loads of a package: its code, and what says which file is which. */
const loaded = /\.(js|cjs|mjs|node)$|^package\.json$/;

/** Measures every file of the package in `folder`, and of all packages it depends on, that Node could load. */
export function measureProgram(folder: string = programFolder): Measurements {
  const files: [string, string][] = [];
  for (const [name, packageFolder] of packagesFrom(folder)) {
    for (const path of filesIn(packageFolder)) {
      const digest = createHash('sha256').update(readFileSync(path)).digest('hex').toUpperCase();
      files.push([`${name}/${relative(packageFolder, path)}`, digest]);
    }
  }
  return Object.fromEntries(files.sort(([a], [b]) => (a < b ? -1 : 1)));
}

interface PackageFile {
  name: string;
  dependencies?: Record<string, string>;
}

function packagesFrom(folder: string, found = new Map<string, string>()): ReadonlyMap<string, string> {
  const { name, dependencies = {} } = JSON.parse(
    readFileSync(join(folder, 'package.json'), 'utf8'),
  ) as PackageFile;
  found.set(name, folder);
  for (const dependency of Object.keys(dependencies)) {
    if (!found.has(dependency)) packagesFrom(folderOf(dependency, folder), found);
  }
  return found;
}

/** Where Node finds a package for code in `folder`: in the nearest node_modules above it. */
function folderOf(name: string, folder: string): string {
  const candidate = join(folder, 'node_modules', name);
  if (existsSync(join(candidate, 'package.json'))) return realpathSync(candidate);
  if (dirname(folder) === folder) throw new Error(`package ${name} is not installed`);
  return folderOf(name, dirname(folder));
}

function filesIn(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) return entry.name === 'node_modules' ? [] : filesIn(path);
    return loaded.test(entry.name) ? [path] : [];
  });
}
