/** What the adapter reports. Keys appear only as the first 16 hex digits of SHA-256 over their block. */
export type HsmLogEntry =
  | {
      level: 'info';
      event: 'hsm.connected';
      endpoint: string;
      lmkCheckValue: string;
      firmware: string;
      /** `undefined`: the HSM did not say. */
      pciHsmCompliant: boolean | undefined;
    }
  | { level: 'warn'; event: 'hsm.disconnected'; endpoint: string; reason: string }
  | { level: 'warn'; event: 'hsm.circuit-open'; endpoint: string; reason: string; retryInMs: number }
  | {
      level: 'warn';
      event: 'hsm.command-failed';
      endpoint: string;
      command: string;
      header: string;
      requestBytes: number;
      /** Error code of the HSM, or the `HsmErrorCode` where none came. */
      result: string;
      milliseconds: number;
      keys: string[];
    };

export type HsmLogger = (entry: HsmLogEntry) => void;
