import { mkdirSync } from 'node:fs';
import { expect, test } from '@jest/globals';
import { explain, LauncherError } from './errors.ts';

const refusedBy = (act: () => void): unknown => {
  try {
    act();
  } catch (error) {
    return error;
  }
  throw new Error('not refused');
};

test('a refusal of the file system is told in words, with the path', () => {
  expect(explain(refusedBy(() => mkdirSync('/proc/openkdh')))).toBeUndefined(); // ENOENT would be a fault of ours
  expect(explain(refusedBy(() => mkdirSync('/dev/null/openkdh')))).toMatchObject({
    code: 'FILE_SYSTEM',
    message: 'there is a file where a folder should be, at /dev/null/openkdh',
  });
  const full = Object.assign(new Error('ENOSPC: no space left on device, write'), {
    code: 'ENOSPC',
    path: '/state',
  });
  expect(explain(full)?.message).toBe('the disk is full at /state');
});

test('an error of the launcher is its own explanation; what has none is a fault of ours', () => {
  const known = new LauncherError('PORT_REFUSED', 'port 1 is in use');
  expect(explain(known)).toBe(known);
  expect(explain(new TypeError('x is not a function'))).toBeUndefined();
});
