/** Where things are. Nothing that a test makes lands outside `tests/e2e/.work`. */
import { mkdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const here = dirname(fileURLToPath(import.meta.url));
export const e2e = dirname(here);
export const repository = join(e2e, '..', '..');
export const work = join(e2e, '.work');
export const python = join(e2e, '.venv', 'bin', 'python');

mkdirSync(work, { recursive: true });
