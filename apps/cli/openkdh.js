#!/usr/bin/env node
// npm links a command when it installs, before anything is compiled: this file is there by then, dist/main.js is not.
import './dist/main.js';
