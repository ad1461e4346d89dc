import { mkdir, readFile } from 'node:fs/promises';
import { formatVerifierKey, parseCheckpoint, parseNote } from '@openkdh/transparency-log';
import { defineCommand } from '../command.ts';
import { onFile } from '../files.ts';
import { text } from '../members.ts';
import { readVerifierKey } from '../verifier-key.ts';
import { bundleFiles, formatManifest, writeBundleFile } from './bundle.ts';
import { exportWhole } from './export.ts';
import { openLogArchive } from './log-archive.ts';

export const bundleFromArchive = defineCommand({
  name: 'audit from-archive',
  summary:
    'Makes a whole bundle with no KDH at all: of an archive of its log, up to a checkpoint that was kept.',
  members: {
    archive: text('folder that the KDH has archived its log to'),
    checkpoint: text('file with the checkpoint'),
    key: text("the log's verifier key: a file, or the key itself"),
    out: text('folder to make for the bundle'),
  },
  async run({ archive, checkpoint: file, key, out }) {
    const checkpointNote = await onFile('checkpoint', readFile(file));
    const checkpoint = parseCheckpoint(parseNote(checkpointNote).text);
    const keyText = `${formatVerifierKey(await readVerifierKey(key, 'key'))}\n`;
    await onFile('out', mkdir(out));
    await writeBundleFile(out, bundleFiles.manifest, formatManifest('whole'));
    await writeBundleFile(out, bundleFiles.key, Buffer.from(keyText));
    await writeBundleFile(out, bundleFiles.checkpoint, checkpointNote);
    await exportWhole(openLogArchive(archive), out, checkpoint);
    return { bundle: out, origin: checkpoint.origin, size: String(checkpoint.size), content: 'whole' };
  },
});
