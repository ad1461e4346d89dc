import { Registry } from 'prom-client';

/** All metrics of this process. Each is declared beside what it measures, with its unit in its name and its help. */
export const registry = new Registry();
