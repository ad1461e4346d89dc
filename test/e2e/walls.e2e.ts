import { spawnSync } from 'node:child_process';
import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { describe, expect, test } from '@jest/globals';

const root = join(import.meta.dirname, '../..');

/** Lints planted sources under the project's own rules, in a folder of its own; returns those that a wall stops. */
function stopped(sources: Map<string, string>): Set<string> {
  const folder = mkdtempSync(join(tmpdir(), 'openkdh-walls-'));
  try {
    copyFileSync(join(root, 'biome.json'), join(folder, 'biome.json'));
    for (const [path, source] of sources) {
      mkdirSync(dirname(join(folder, path)), { recursive: true });
      writeFileSync(join(folder, path), `${source}\n`);
    }
    const { stdout, stderr } = spawnSync(
      join(root, 'node_modules/.bin/biome'),
      ['lint', '--only=style/noRestrictedImports', '--vcs-enabled=false', '--max-diagnostics=none', '.'],
      { cwd: folder, encoding: 'utf8' },
    );
    const report = stdout + stderr;
    return new Set([...sources.keys()].filter((path) => report.includes(`${path}:1:`)));
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** One file for each line of source. */
function planted(folder: string, lines: string[]): Map<string, string> {
  return new Map(lines.map((line, index) => [`${folder}/planted-${index}.ts`, line]));
}

describe('the first wall: no clear key in the KDH', () => {
  const forbidden = [
    `import { aes } from '@openkdh/block-ciphers';`,
    `import { unwrap } from '@openkdh/tr31';`,
    `import { lmkHandle } from '@openkdh/tr31/thales';`,
    `import { deriveAesInitialKey } from '@openkdh/dukpt';`,
    `import { openKeyToken } from '@openkdh/tr34';`,
    `import { cbc } from '@noble/ciphers/aes.js';`,
    `import forge from 'node-forge';`,
    `import { createCipheriv } from 'node:crypto';`,
    `import { createDecipheriv as d } from 'node:crypto';`,
    `import * as crypto from 'node:crypto';`,
    `import crypto from 'node:crypto';`,
    `const crypto = await import('node:crypto');`,
  ];
  const allowed = [
    `import { parseHeader } from '@openkdh/tr31/header';`,
    `import { parseRandomToken } from '@openkdh/tr34/tokens';`,
    `import { createHash, verify } from 'node:crypto';`,
  ];

  test.each(['apps/kdh-server/src/loads', 'libs/hsm-client/src/payshield'])('stands around %s', (folder) => {
    const bad = planted(`${folder}/bad`, forbidden);
    const good = planted(`${folder}/good`, allowed);
    expect(stopped(new Map([...bad, ...good]))).toEqual(new Set(bad.keys()));
  });

  test('no source behind it reaches for WebCrypto, which no import rule sees', () => {
    for (const folder of ['apps/kdh-server/src', 'libs/hsm-client/src']) {
      for (const file of readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })) {
        if (!file.endsWith('.ts') || file.endsWith('.spec.ts')) continue;
        const source = readFileSync(join(root, folder, file), 'utf8');
        const reach = /crypto\.subtle|globalThis\.crypto|webcrypto/.exec(source)?.[0];
        expect([file, reach]).toEqual([file, undefined]);
      }
    }
  });
});

describe('the second wall: no framework in libs', () => {
  test('stands around every lib', () => {
    const frameworks = ['@nestjs/common', 'typeorm', 'bullmq', 'pg', 'rxjs', 'ioredis'];
    const lines = frameworks.map((framework) => `import '${framework}';`);
    const libs = readdirSync(join(root, 'libs'));
    const bad = new Map(libs.flatMap((lib) => [...planted(`libs/${lib}/src`, lines)]));
    expect(libs.length).toBeGreaterThanOrEqual(8);
    expect(stopped(bad)).toEqual(new Set(bad.keys()));
  });
});
