import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { runs } from './processes.ts';
import { type Part, type Pids, Supervisor, type Task } from './supervisor.ts';

let folder: string;
let said: string[];
let supervisor: Supervisor;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'openkdh-supervisor-'));
  mkdirSync(join(folder, 'logs'));
  said = [];
  supervisor = new Supervisor(folder, (line) => said.push(line));
});

afterEach(async () => {
  await supervisor.stop();
  rmSync(folder, { recursive: true });
});

/** A part that runs `script`; the default one says that it is ready, and writes its name to `ends` when asked to end. */
function part(name: string, script?: string): Part {
  const polite = `
    process.on('SIGTERM', () => { require('fs').appendFileSync('ends', '${name} '); process.exit(0); });
    console.log('{"event":"ready","name":"${name}"}');
    setInterval(() => {}, 1000);`;
  return {
    name,
    command: {
      file: process.execPath,
      args: ['-e', script ?? polite, `${folder}/${name}`],
      env: {},
      cwd: folder,
    },
    marker: `${folder}/${name}`,
    readyText: '"event":"ready"',
    signals: { stop: 'SIGTERM', kill: 'SIGKILL' },
  };
}

const pids = () => JSON.parse(readFileSync(join(folder, 'pids.json'), 'utf8')) as Pids;

async function until(condition: () => boolean): Promise<void> {
  for (const deadline = Date.now() + 60_000; !condition(); await sleep(20)) {
    if (Date.now() > deadline) throw new Error('what was waited for did not come in a minute');
  }
}

test('a started part gives its ready line, stands in pids.json, and logs to a file of its owner’s alone', async () => {
  expect(await supervisor.start(part('one'))).toBe('{"event":"ready","name":"one"}');
  expect(runs(pids()['one']!.pid, `${folder}/one`)).toBe(true);
  const log = join(folder, 'logs', 'one.log');
  expect(readFileSync(log, 'utf8')).toContain('"name":"one"');
  expect(statSync(log).mode & 0o777).toBe(0o600);
});

test('a part leads a process group of its own, so that Ctrl-C does not reach it', async () => {
  await supervisor.start(part('one'));
  expect(process.kill(-pids()['one']!.pid, 0)).toBe(true); // throws where there is no such group
});

test('parts are stopped in reverse order, each when its successor has ended', async () => {
  for (const name of ['database', 'server', 'fleet']) await supervisor.start(part(name));
  const numbers = Object.entries(pids());
  await supervisor.stop();
  expect(readFileSync(join(folder, 'ends'), 'utf8')).toBe('fleet server database ');
  expect(numbers.filter(([name, { pid }]) => runs(pid, `${folder}/${name}`))).toEqual([]);
  expect(pids()).toEqual({});
  expect(said).toEqual([]);
});

test('a part that ends before it is ready is refused with the last thing it said', async () => {
  const broken = part(
    'broken',
    `console.log('{"level":"error","msg":"the LMK does not open"}'); process.exit(3);`,
  );
  await expect(supervisor.start(broken)).rejects.toMatchObject({
    code: 'PART_FAILED',
    message: expect.stringMatching(/^broken did not start: the LMK does not open \(log: .*broken\.log\)$/),
  });
});

test('of a part that throws, the error is told and not the rest of the trace', async () => {
  await expect(supervisor.start(part('broken', `throw new RangeError('no\\nsuch slot')`))).rejects.toThrow(
    'broken did not start: RangeError: no (log: ',
  );
});

test('a part whose program is missing is refused', async () => {
  const missing = part('missing');
  missing.command.file = '/no/such/program';
  await expect(supervisor.start(missing)).rejects.toThrow('missing did not start');
});

test('a part that dies is started again, and that is said', async () => {
  await supervisor.start(part('one'));
  const { pid } = pids()['one']!;
  process.kill(pid, 'SIGKILL');
  await until(() => pids()['one'] !== undefined && pids()['one']!.pid !== pid);
  expect(said).toEqual([
    expect.stringMatching(/^one ended \(SIGKILL\) and is started again in 0.5 s; log: /),
  ]);
  await until(() => readFileSync(join(folder, 'logs', 'one.log'), 'utf8').split('"ready"').length === 3);
});

test('stopping ends the wait for a successor, and nothing is started any more', async () => {
  await supervisor.start(part('one'));
  process.kill(pids()['one']!.pid, 'SIGKILL');
  await until(() => said.length > 0);
  await supervisor.stop();
  await sleep(700); // longer than the wait
  expect(pids()).toEqual({});
  await expect(supervisor.start(part('two'))).rejects.toMatchObject({ code: 'PART_FAILED' });
});

describe('a task', () => {
  const task = (script: string): Task => ({ ...part('task', script), progressText: 'step' });

  test('runs to its end, is watched meanwhile, and is forgotten then', async () => {
    const steps: string[] = [];
    const waits = `
      console.log('step 1'); console.log('something else'); process.stdout.write('step 2, not');
      setInterval(() => {
        if (!require('fs').existsSync('go')) return;
        console.log(' written to its end');
        process.exit(0);
      }, 20);`;
    const ended = supervisor.run(task(waits), (line) => steps.push(line));
    await until(() => steps.length > 0);
    expect(runs(pids()['task']!.pid, `${folder}/task`)).toBe(true);
    writeFileSync(join(folder, 'go'), '');
    await ended;
    expect([...new Set(steps)]).toEqual(['step 1', 'step 2, not written to its end']);
    expect(pids()).toEqual({});
  });

  test('that ends otherwise than well is refused with the last thing it said', async () => {
    const fails = task(`console.log('{"level":"fatal","msg":"the table is locked"}'); process.exit(1);`);
    await expect(supervisor.run(fails, () => {})).rejects.toMatchObject({
      code: 'PART_FAILED',
      message: expect.stringMatching(/^the table is locked \(log: .*task\.log\)$/),
    });
  });

  test('is asked to end before what was started earlier', async () => {
    await supervisor.start(part('database'));
    const polite = `
      process.on('SIGTERM', () => { require('fs').appendFileSync('ends', 'task '); process.exit(1); });
      console.log('step 1');
      setInterval(() => {}, 1000);`;
    let watched = 0;
    const ended = supervisor.run(task(polite), () => watched++).catch((error: Error) => error);
    await until(() => watched > 0);
    await supervisor.stop();
    expect(await ended).toMatchObject({ code: 'PART_FAILED' });
    expect(readFileSync(join(folder, 'ends'), 'utf8')).toBe('task database ');
  });
});

test('killing waits for no clean end', async () => {
  await supervisor.start(part('one'));
  const { pid, marker } = pids()['one']!;
  supervisor.kill();
  await until(() => !runs(pid, marker));
  expect(existsSync(join(folder, 'ends'))).toBe(false);
});

test('a guard runs beside its part and is dismissed after it', async () => {
  const guarded: Part = { ...part('one'), guard: { ...part('guard').command } };
  await supervisor.start(guarded);
  await until(() => readFileSync(join(folder, 'logs', 'one-guard.log'), 'utf8').includes('guard'));
  await supervisor.stop();
  expect(readFileSync(join(folder, 'ends'), 'utf8')).toBe('one '); // the guard was not asked, it was killed
});
