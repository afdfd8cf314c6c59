import { createHash, type Hash } from 'node:crypto';
import { promisify } from 'node:util';
import { createGunzip, gzip } from 'node:zlib';

/** What an archive consists of: enough to tell it from any other. */
export interface Contents {
  parts: number;
  row_count: number;
  size_bytes: number;
  /** SHA-256 of the bytes of all parts: that what is stored is what was written. */
  checksum: string;
  /** Sum over the lines, as private.sum_events has it: that what is stored is what the database holds. */
  row_checksum: string;
}

/** Small enough to be held in memory and sent again, and for any bucket. */
const PART_BYTES = 8 * 1024 * 1024;
const CHUNK_BYTES = 256 * 1024;
const NEWLINE = 10;

const compress = promisify(gzip);

/**
 * Writes lines down as parts, each a gzip file that can be read by itself.
 * @param onRows told how many rows there are so far
 */
export async function writeParts(
  batches: AsyncIterable<string[]>,
  write: (part: number, content: Buffer) => Promise<void>,
  onRows: (rows: number) => void,
): Promise<Contents> {
  const sums = createSums();
  let members: Buffer[] = [];
  let bytes = 0;

  const flush = async () => {
    if (bytes === 0) return;
    const part = Buffer.concat(members, bytes);
    [members, bytes] = [[], 0];
    sums.addPart(part);
    await write(sums.contents().parts, part);
  };
  for await (const lines of batches) {
    sums.addLines(lines);
    // A gzip file may have any number of members.
    const member = await compress(`${lines.join('\n')}\n`);
    members.push(member);
    bytes += member.length;
    if (bytes >= PART_BYTES) await flush();
    onRows(sums.contents().row_count);
  }
  await flush();
  return sums.contents();
}

/**
 * Reads parts back. Gives the lines to `onLines`, some at a time.
 * @throws what `read` throws, or what zlib says of bytes that are no gzip
 */
export async function readParts(
  parts: number,
  read: (part: number) => Promise<Buffer>,
  onLines: (lines: string[]) => Promise<void> | void = () => {},
): Promise<Contents> {
  const sums = createSums();
  for (let part = 1; part <= parts; part++) {
    const content = await read(part);
    sums.addPart(content);
    for await (const lines of linesOf(content)) {
      sums.addLines(lines);
      await onLines(lines);
    }
  }
  return sums.contents();
}

// Split at newlines only: readline also splits at U+2028, which JSON may hold.
async function* linesOf(content: Buffer): AsyncGenerator<string[]> {
  const stream = createGunzip({ chunkSize: CHUNK_BYTES });
  stream.end(content);
  let rest: Buffer = Buffer.alloc(0);
  for await (const chunk of stream as AsyncIterable<Buffer>) {
    const bytes = rest.length > 0 ? Buffer.concat([rest, chunk]) : chunk;
    const end = bytes.lastIndexOf(NEWLINE);
    rest = bytes.subarray(end + 1);
    if (end >= 0) yield bytes.toString('utf8', 0, end).split('\n');
  }
  if (rest.length > 0) yield [rest.toString()];
}

function createSums() {
  const bytes: Hash = createHash('sha256');
  let [parts, rows, size, sum] = [0, 0, 0, 0n];
  return {
    addPart(content: Buffer): void {
      parts += 1;
      size += content.length;
      bytes.update(content);
    },
    addLines(lines: string[]): void {
      rows += lines.length;
      for (const line of lines) sum += createHash('md5').update(line).digest().readBigInt64BE(0);
    },
    contents: (): Contents => ({
      parts,
      row_count: rows,
      size_bytes: size,
      checksum: bytes.copy().digest('hex'),
      row_checksum: String(sum),
    }),
  };
}

/** In what two archives differ, for a person; undefined: in nothing. */
export function differenceOf(found: Contents, expected: Contents): string | undefined {
  if (found.row_count !== expected.row_count) return `${found.row_count} rows, not ${expected.row_count}`;
  if (found.checksum !== expected.checksum) return 'its checksum is another one';
  if (found.row_checksum !== expected.row_checksum) return 'the checksum of its rows is another one';
  return undefined;
}
