/** A passphrase that protects a share or an LMK has at least so many bytes; the HSM refuses a shorter one. */
export const shortestPassphraseBytes = 12;
