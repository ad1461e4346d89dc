export { type KbpkHandle, kbpk, type Unwrapped, unwrap, type WrapOptions, wrap } from './block.ts';
export * from './header.ts';
