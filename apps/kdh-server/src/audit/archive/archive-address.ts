/** Where the log is archived: `KDH_LOG_ARCHIVE`, read. */
export type ArchiveAddress =
  | { kind: 'folder'; folder: string }
  | {
      kind: 's3';
      /** Of the bucket and the prefix, `https://HOST/BUCKET/PREFIX/` (path style); paths of tiles are appended. */
      base: URL;
      region: string;
    };

export const archiveAddressForms =
  'expected file:///FOLDER or s3://BUCKET[/PREFIX]?region=REGION[&endpoint=https://HOST[:PORT]] ' +
  '(http: on the loopback interface only; bucket and prefix of letters, digits, ".", "_" and "-")';

const loopback = new Set(['127.0.0.1', '[::1]', 'localhost']);

/** `undefined` for another form than {@link archiveAddressForms}. */
export function parseArchiveAddress(text: string): ArchiveAddress | undefined {
  const folder = /^file:\/\/(\/[^?#]+)$/.exec(text)?.[1];
  if (folder !== undefined) return { kind: 'folder', folder };
  const [, path, query] = /^s3:\/\/([\w.-]+(?:\/[\w.-]+)*)\?([^#]*)$/.exec(text) ?? [];
  if (path === undefined || path.split('/').some((part) => /^\.+$/.test(part))) return undefined;
  const { region, endpoint, ...others } = Object.fromEntries(new URLSearchParams(query));
  if (region === undefined || !/^[a-z0-9-]+$/.test(region) || Object.keys(others).length > 0)
    return undefined;
  const host = endpoint ?? `https://s3.${region}.amazonaws.com`;
  if (!URL.canParse(host)) return undefined;
  const { protocol, hostname, origin } = new URL(host);
  if (origin !== host.replace(/\/$/, '')) return undefined;
  if (protocol !== 'https:' && !(protocol === 'http:' && loopback.has(hostname))) return undefined;
  return { kind: 's3', base: new URL(`${origin}/${path}/`), region };
}
