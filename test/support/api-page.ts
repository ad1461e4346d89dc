import { readFileSync } from 'node:fs';

/**
 * Runs the examples of an API page in `docs/api`: its `js` blocks in order, as one program. Each
 * `console.log(…); // text` says what it prints; returns what was printed and what the page says, line by line.
 * Imports are taken from `modules`, because a page imports packages by name as its reader would.
 */
export async function runApiPage(
  page: string,
  modules: Record<string, object>,
): Promise<{ printed: string[]; promised: string[] }> {
  const text = readFileSync(new URL(`../../docs/api/${page}`, import.meta.url), 'utf8');
  const program = [...text.matchAll(/^```js\n(.*?)^```$/gms)].map(([, block]) => block).join('\n');
  const promised = [...program.matchAll(/^\s*console\.log\(.*\); \/\/ (.*)$/gm)].map(([, said]) => said!);
  const body = program.replaceAll(/^import \{([^}]*)\} from '([^']*)';$/gm, (_, names, name) => {
    if (!(name in modules)) throw new Error(`${page} imports ${name}, which its test does not give`);
    return `const {${names}} = modules['${name}'];`;
  });
  const printed: string[] = [];
  const AsyncFunction = Object.getPrototypeOf(async () => {}).constructor;
  await AsyncFunction(
    'modules',
    'console',
    body,
  )(modules, {
    log: (...values: unknown[]) => printed.push(values.map(String).join(' ')),
  });
  return { printed, promised };
}
