// Reads Prometheus' text format (version 0.0.4) as strictly as the scraper and its linter do, and says what is wrong with a page.

const NAME = /^[a-zA-Z_:][a-zA-Z0-9_:]*$/;
const SAMPLE = /^([a-zA-Z_:][a-zA-Z0-9_:]*)(\{(.*)\})? (\S+)( -?\d+)?$/;
const LABELS = /^(?:[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\n]|\\["\\n])*"(?:,|$))*$/;
const TYPES = ['counter', 'gauge', 'histogram', 'summary', 'untyped'];

export interface Family {
  type: string;
  help: string;
  samples: { name: string; labels: string; value: number }[];
}

/** The families of a page, and one sentence for each thing that is wrong with it. */
export function readMetrics(text: string): { families: Map<string, Family>; problems: string[] } {
  const families = new Map<string, Family>();
  const problems: string[] = [];
  const series = new Set<string>();
  const closed = new Set<string>();
  let current = '';
  const enter = (name: string): Family => {
    if (name !== current) {
      if (current !== '') closed.add(current);
      if (closed.has(name)) problems.push(`${name} stands in two places`);
      current = name;
    }
    const family = families.get(name) ?? { type: '', help: '', samples: [] };
    families.set(name, family);
    return family;
  };
  if (!text.endsWith('\n')) problems.push('the page does not end with a line feed');
  for (const line of text.split('\n')) {
    if (line === '') continue;
    const [, keyword, name = '', rest = ''] = /^# (HELP|TYPE) (\S+) ?(.*)$/.exec(line) ?? [];
    if (keyword !== undefined) {
      const family = enter(name);
      if (!NAME.test(name)) problems.push(`${name} is no name`);
      const member = keyword === 'HELP' ? 'help' : 'type';
      if (family[member] !== '') problems.push(`${name} has two lines of ${keyword}`);
      if (family.samples.length > 0) problems.push(`${keyword} of ${name} follows its samples`);
      if (rest === '') problems.push(`${name} has an empty ${keyword}`);
      if (keyword === 'TYPE' && !TYPES.includes(rest)) problems.push(`${name} is of the unknown type ${rest}`);
      family[member] = rest;
      continue;
    }
    if (line.startsWith('#')) continue;
    const [, sample = '', , labels = '', value = ''] = SAMPLE.exec(line) ?? [];
    if (sample === '') {
      problems.push(`no sample: ${line}`);
      continue;
    }
    const base = families.has(sample) ? sample : sample.replace(/_(bucket|sum|count)$/, '');
    const family = enter(base);
    if (family.type === '' || family.help === '') problems.push(`${sample} has no TYPE or HELP before it`);
    if (!LABELS.test(labels)) problems.push(`labels of ${line}`);
    const number = value === '+Inf' ? Number.POSITIVE_INFINITY : Number(value);
    if (Number.isNaN(number)) problems.push(`value of ${line}`);
    const key = `${sample}{${labels
      .split(/,(?=[a-zA-Z_])/)
      .sort()
      .join()}}`;
    if (series.has(key)) problems.push(`${key} is there twice`);
    series.add(key);
    family.samples.push({ name: sample, labels, value: number });
  }
  for (const [name, family] of families) problems.push(...lint(name, family));
  return { families, problems };
}

function lint(name: string, { type, samples }: Family): string[] {
  const problems: string[] = [];
  if (type === 'counter' && !name.endsWith('_total'))
    problems.push(`${name} is a counter and does not end with _total`);
  if (type !== 'counter' && name.endsWith('_total')) problems.push(`${name} ends with _total and is a ${type}`);
  if (/_(milliseconds|ms|minutes|kb|mb)$/.test(name)) problems.push(`${name} is not in base units`);
  if (type === 'counter' && samples.some(({ value }) => value < 0)) problems.push(`${name} counts below zero`);
  if (type !== 'histogram') return problems;
  const plain = (labels: string): string => labels.replace(/,?le="[^"]*"/, '').replace(/^,/, '');
  for (const { labels, value } of samples.filter((one) => one.name === `${name}_count`)) {
    const buckets = samples.filter((one) => one.name === `${name}_bucket` && plain(one.labels) === labels);
    const infinite = buckets.find((one) => one.labels.includes('le="+Inf"'));
    if (infinite?.value !== value) problems.push(`${name}{${labels}}: the +Inf bucket is not its count`);
    if (buckets.some((one, i) => i > 0 && one.value < buckets[i - 1]!.value))
      problems.push(`${name}{${labels}}: a bucket falls`);
    if (!samples.some((one) => one.name === `${name}_sum` && one.labels === labels))
      problems.push(`${name}{${labels}} has no sum`);
  }
  return problems;
}
