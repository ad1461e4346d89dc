import { Cryptoki } from './cryptoki.ts';

/** A module is initialised once in a process, whoever uses it, and finalised after the last. By path. */
const modules = new Map<string, { cryptoki: Promise<Cryptoki>; users: number }>();

/** Finalisations that are under way, by path. */
const endings = new Map<string, Promise<void>>();

/** Loads the module, or takes it where it is loaded. Throws as `Cryptoki.load`. */
export async function acquireModule(path: string): Promise<Cryptoki> {
  const module = modules.get(path) ?? { cryptoki: load(path), users: 0 };
  modules.set(path, module);
  module.users += 1;
  try {
    return await module.cryptoki;
  } catch (error) {
    modules.delete(path);
    throw error;
  }
}

/** To be called once for each `acquireModule` that did not throw. */
export async function releaseModule(path: string): Promise<void> {
  const module = modules.get(path)!;
  module.users -= 1;
  if (module.users > 0) return;
  modules.delete(path);
  const ending = module.cryptoki.then((cryptoki) => cryptoki.call('C_Finalize', null));
  endings.set(path, ending);
  await ending.finally(() => endings.delete(path));
}

async function load(path: string): Promise<Cryptoki> {
  await endings.get(path);
  return Cryptoki.load(path);
}
