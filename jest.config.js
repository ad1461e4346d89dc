/** @type {import('jest').Config} */
const common = {
  testEnvironment: 'node',
  globalSetup: '<rootDir>/test/support/global-setup.js',
  globalTeardown: '<rootDir>/test/support/global-teardown.js',
  extensionsToTreatAsEsm: ['.ts'],
  transform: {
    '^.+\\.ts$': [
      '@swc/jest',
      {
        swcrc: false,
        module: { type: 'es6' },
        jsc: {
          target: 'es2022',
          parser: { syntax: 'typescript', decorators: true },
          transform: { legacyDecorator: true, decoratorMetadata: true, useDefineForClassFields: true },
          keepClassNames: true,
          experimental: { keepImportAttributes: true },
        },
      },
    ],
  },
  testEnvironmentOptions: { customExportConditions: ['openkdh-source', 'node', 'node-addons'] },
};
export default {
  maxWorkers: 2,
  // For what hangs, not for what is slow. It must stand here: inside a project it is ignored without a word.
  testTimeout: 240_000,
  reporters: ['default', '<rootDir>/test/summary-reporter.cjs'],
  projects: [
    { ...common, displayName: 'unit', testMatch: ['<rootDir>/{libs,apps}/*/src/**/*.spec.ts'] },
    {
      ...common,
      displayName: 'e2e',
      testEnvironment: '<rootDir>/test/support/environment.js',
      testMatch: ['<rootDir>/test/**/*.e2e.ts'],
    },
  ],
};
