// @peculiar/x509 looks for reflect-metadata when it is loaded: this module is the one place that keeps the order.
import 'reflect-metadata';

export * from '@peculiar/x509';
