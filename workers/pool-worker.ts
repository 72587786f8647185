// Entry of a pool thread: what piscina loads and calls.

export { readTask as default } from './read-task.ts';
