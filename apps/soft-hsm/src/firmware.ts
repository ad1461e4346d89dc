/** Firmware number of NC and NO, `nnnn-nnnn`. No payShield has 0000 in front. */
export const firmware = '0000-0001';

/** Serial number of JK, 12 characters. */
export const serialNumber = 'OPENKDH-SOFT';

/** Said wherever this HSM says what it is. */
export const whatThisIs =
  'OpenKDH soft HSM: for development, tests and training; not a secure cryptographic device';
