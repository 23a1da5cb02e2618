// Looks for byte strings in every file under a folder. Arguments: folder, and JSON of [name, hex] pairs.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const [folder = '', given = '[]'] = process.argv.slice(2);
const needles = (JSON.parse(given) as [string, string][]).map(
  ([name, hex]) => [name, Buffer.from(hex, 'hex')] as const,
);
const found: Record<string, string[]> = {};
for (const file of readdirSync(folder, { recursive: true, withFileTypes: true })) {
  if (!file.isFile()) continue;
  const bytes = readFileSync(join(file.parentPath, file.name));
  for (const [name, needle] of needles) if (bytes.includes(needle)) (found[name] ??= []).push(file.name);
}
process.stdout.write(JSON.stringify(found));
