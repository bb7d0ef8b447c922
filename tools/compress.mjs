// Writes each file of a folder twice more: NAME.br by brotli and NAME.gz by gzip, both as small as they get. Called by
// scripts/site.sh, once for each build.

import { readFileSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";

const folder = process.argv[2];
for (const name of readdirSync(folder)) {
  const path = join(folder, name);
  const content = readFileSync(path);
  const hints = { [constants.BROTLI_PARAM_QUALITY]: 11, [constants.BROTLI_PARAM_SIZE_HINT]: content.length };
  writeFileSync(`${path}.br`, brotliCompressSync(content, { params: hints }));
  writeFileSync(`${path}.gz`, gzipSync(content, { level: 9 }));
}
