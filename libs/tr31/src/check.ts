import { combinationProblems } from './combinations.ts';
import { type Finding, type FindingCode, finding } from './findings.ts';
import type { KeyBlockHeader } from './key-block-header.ts';
import { type OptionalBlockId, type OptionalBlockKind, optionalBlockKinds } from './optional-block-kinds.ts';
import { type PlacedOptionalBlock, paddingBlockLength } from './optional-blocks.ts';
import {
  exportabilities,
  keyContexts,
  obfuscatedKeyBytes,
  payloadBytes,
  rowOf,
  type Version,
} from './tables.ts';

/** Each field of the fixed header by itself, and usage × algorithm × mode. */
export function checkFields(header: KeyBlockHeader, reserved: string, findings: Finding[]): void {
  const { keyUsage, algorithm, modeOfUse, keyVersion, exportability, keyContext } = header;
  for (const { code, from, to, message } of combinationProblems(keyUsage, algorithm, modeOfUse)) {
    findings.push(finding(code, 5 + from, 5 + to, message));
  }
  if (!/^[0-9A-Za-z]{2}$/.test(keyVersion)) {
    const message = `key version ${keyVersion} is not two letters or digits`;
    findings.push(finding('TR31_KEY_VERSION', 9, 11, message));
  }
  if (!rowOf(exportabilities, exportability)) {
    findings.push(
      finding('TR31_EXPORTABILITY', 11, 12, `exportability ${exportability}, expected E, N or S`),
    );
  }
  if (!rowOf(keyContexts, keyContext)) {
    findings.push(finding('TR31_KEY_CONTEXT', 14, 15, `key context ${keyContext}, expected 0, 1 or 2`));
  }
  if (reserved !== '0') {
    findings.push(finding('TR31_RESERVED', 15, 16, `reserved character ${reserved}, expected 0`));
  }
}

/** Each optional block by itself and in this header; then all together. */
export function checkOptionalBlocks(
  header: KeyBlockHeader,
  version: Version,
  blocks: PlacedOptionalBlock[],
  findings: Finding[],
): void {
  for (const [n, block] of blocks.entries()) {
    if (!/^[0-9A-Z]{2}$/.test(block.id)) {
      const message = `block ID ${block.id} is not two capitals or digits`;
      findings.push(finding('TR31_OPTIONAL_ID', block.start, block.start + 2, message));
    }
    if (blocks.findIndex(({ id }) => id === block.id) < n) {
      const message = `block ${block.id} stands there already`;
      findings.push(finding('TR31_OPTIONAL_DUPLICATE', block.start, block.end, message));
    }
    checkContent(header, block, findings);
  }
  checkPadding(version, blocks, findings);
}

function checkContent(header: KeyBlockHeader, block: PlacedOptionalBlock, findings: Finding[]): void {
  const kind = rowOf<OptionalBlockKind>(optionalBlockKinds, block.id);
  kind?.read(block.data, header, (rule, message, from, to) => {
    const start = from === undefined ? block.start : Math.min(block.dataStart + from, block.end);
    findings.push({
      code: rule.startsWith('TR31_')
        ? (rule as FindingCode)
        : (`TR31_${block.id as OptionalBlockId}_${rule}` as FindingCode),
      clause: kind.clause,
      at: { start, end: to === undefined ? block.end : Math.min(block.dataStart + to, block.end) },
      message: `block ${block.id} (${kind.meaning}): ${message}`,
    });
  });
}

function checkPadding(version: Version, blocks: PlacedOptionalBlock[], findings: Finding[]): void {
  const first = blocks[0];
  const last = blocks.at(-1);
  if (!first || !last) return;
  const length = last.end - first.start;
  if (length % version.blockBytes !== 0) {
    const message = `the optional blocks are ${length} characters, expected a multiple of ${version.blockBytes}`;
    findings.push(finding('TR31_OPTIONAL_MULTIPLE', first.start, last.end, message));
  }
  for (const block of blocks) {
    if (block.id !== 'PB') continue;
    if (block !== last) {
      findings.push(finding('TR31_PADDING_BLOCK_PLACE', block.start, block.end, 'block PB is not the last'));
      continue;
    }
    const needed = paddingBlockLength(block.start - first.start, version.blockBytes);
    if (block.end - block.start > needed) {
      const message = `block PB has ${block.end - block.start} characters, needed are ${needed}`;
      findings.push(finding('TR31_PADDING_BLOCK_LENGTH', block.start, block.end, message));
    }
  }
}

/** Key length obfuscation can be seen without any key: the key data are too short for the longest key. */
export function checkPayloadLength(
  header: KeyBlockHeader,
  version: Version,
  start: number,
  end: number,
  findings: Finding[],
): void {
  const obfuscated = payloadBytes(version, obfuscatedKeyBytes(header.algorithm));
  const bytes = (end - start) / 2;
  if (bytes >= obfuscated) return;
  const message = `${bytes} bytes of key data show the length of the key; padded as the longest it would be ${obfuscated}`;
  findings.push(finding('TR31_NOT_OBFUSCATED', start, end, message));
}
