import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { dataBlock, html, link } from '../../gateway/portal/html.ts';
import { en } from '../../gateway/portal/messages/en.ts';
import { chooseLang, langs, langTag, pick } from '../../gateway/portal/messages/pick.ts';
import { verifyPage } from '../../gateway/portal/pages/verify.ts';
import { problemPage } from '../../gateway/portal/pages/problem.ts';
import { inclusionSteps } from '../../gateway/portal/parts/inclusion.ts';
import { contextFor, samples } from './samples.ts';

const decode = (text: string) =>
  text
    .replaceAll('&lt;', '<')
    .replaceAll('&gt;', '>')
    .replaceAll('&quot;', '"')
    .replaceAll('&#39;', "'")
    .replaceAll('&amp;', '&');

const pages = samples.flatMap((sample) =>
  langs.map((lang) => ({
    name: sample.name,
    lang,
    text: sample.render(contextFor(sample, lang)).toString(),
  })),
);

describe('a template', () => {
  it('shows any text as that text and lets none of it become markup', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        const made = html`<p title="${text}">${[text]}</p>`.toString();
        const [, title = '', content = ''] = /^<p title="([^"]*)">([^<>]*)<\/p>$/s.exec(made) ?? [];
        expect(decode(title)).toBe(text);
        expect(decode(content)).toBe(text);
      }),
    );
  });

  it('keeps markup made by itself and drops what is absent', () => {
    expect(html`<p>${html`<b>x</b>`}${null}${undefined}${false}${0}</p>`.toString()).toBe('<p><b>x</b>0</p>');
  });

  it('refuses a look-alike of markup', () => {
    const forged = { toString: () => '<script>' } as unknown as string;
    expect(() => html`${forged}`.toString()).toThrow();
  });
});

describe('a link', () => {
  it('leads to this site or to http addresses', () => {
    for (const good of ['/me', '#main', '?page=2', 'https://a.example/x', 'http://127.0.0.1:8080/'])
      expect(link(good)).toBe(good);
  });

  it('never runs a script and never leaves by a bare host', () => {
    for (const bad of [
      'javascript:alert(1)',
      ' javascript:alert(1)',
      'data:text/html,x',
      '//evil.example',
      '/\\evil.example',
      'JaVaScRiPt:x',
    ]) {
      expect(link(bad)).toBe('#');
    }
  });
});

describe('a data block', () => {
  it('cannot be closed from inside and reads back as the same value', () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        const made = dataBlock('words', { text: `</script><!--${text}` }).toString();
        expect(made.match(/<\//g)).toHaveLength(1);
        const json = made.slice(made.indexOf('>') + 1, made.lastIndexOf('</script>'));
        expect(JSON.parse(json)).toEqual({ text: `</script><!--${text}` });
      }),
    );
  });
});

describe.each(pages)('$name in $lang', ({ lang, text }) => {
  it('names its language, and has one title and one h1', () => {
    expect(text).toContain(`<html lang="${langTag(lang)}">`);
    expect(text.match(/<h1[\s>]/g)).toHaveLength(1);
    expect(text.match(/<title>[^<]+<\/title>/g)).toHaveLength(1);
    expect(text.match(/<main[\s>]/g)).toHaveLength(1);
  });

  it('has no inline script, style or handler', () => {
    expect(text).not.toMatch(/<style|\sstyle=|\son[a-z]+=|javascript:/i);
    for (const [script = ''] of text.matchAll(/<script[^>]*>/g)) expect(script).toContain(' src="/assets/');
  });

  it('sends a CSRF token with every form that changes something', () => {
    const forms = [...text.matchAll(/<form[^>]*method="post"[^]*?<\/form>/g)].map(([form]) => form);
    expect(forms).toHaveLength((text.match(/method="post"/g) ?? []).length);
    for (const form of forms) expect(form).toContain('name="_csrf" value="sample-csrf-token"');
  });

  it('says nothing of what the templates are made of', () => {
    expect(text).not.toMatch(/\[object|undefined|NaN|function|=>/);
  });

  it('quotes every attribute and gives no id twice', () => {
    expect(text).not.toMatch(/<[a-z][^<>"]*=[^"\s>]/);
    const ids = [...text.matchAll(/\sid="([^"]+)"/g)].map(([, id]) => id);
    expect(new Set(ids).size).toBe(ids.length);
  });
});

describe('the consent step', () => {
  const step = pages.filter(({ name }) => name === 'consent');

  it.each(step)('ticks nothing beforehand, and gives both answers the same look ($lang)', ({ text }) => {
    expect(text).not.toMatch(/<input[^>]*\schecked/);
    const answers = [...text.matchAll(/<button class="([^"]*)" name="answer" value="(\w+)"/g)];
    expect(answers.map(([, , value]) => value)).toEqual(['allow', 'deny']);
    expect(new Set(answers.map(([, look]) => look)).size).toBe(1);
  });
});

describe('the switch matrix', () => {
  const matrix = pages.filter(({ name }) => name === 'switches');

  it.each(matrix)('gives every switch a role, a name of its own and a state ($lang)', ({ text }) => {
    const buttons = [...text.matchAll(/<button[^>]*role="switch"[^>]*>/g)].map(([button]) => button);
    expect(buttons.length).toBeGreaterThan(5);
    for (const button of buttons) expect(button).toMatch(/aria-checked="(true|false)"\s+aria-label="[^"]+"/);
    const names = buttons.map((button) => /aria-label="([^"]+)"/.exec(button)?.[1]);
    expect(new Set(names).size).toBe(names.length);
  });

  it.each(matrix)('shows no switch where contract governs ($lang)', ({ text, lang }) => {
    const cell = text.split('<td').find((part) => part.includes(pick(lang).causes.contract)) ?? '';
    expect(cell).not.toBe('');
    expect(cell).not.toContain('role="switch"');
  });
});

describe('the catalogues', () => {
  it('say something everywhere, and the same keys in both languages', () => {
    const keys = (value: object, path = ''): string[] =>
      Object.entries(value).flatMap(([key, inner]) => {
        if (typeof inner === 'string') expect(inner.trim(), path + key).not.toBe('');
        return typeof inner === 'object' && inner !== null
          ? keys(inner as object, `${path}${key}.`)
          : [path + key];
      });
    expect(keys(pick('zh')).sort()).toEqual(keys(en).sort());
  });
});

describe('the Chinese catalogue', () => {
  it('uses the wide marks of Chinese beside Chinese characters', () => {
    const source = readFileSync(new URL('../../gateway/portal/messages/zh.ts', import.meta.url), 'utf8');
    expect(source.match(/.{0,8}(?:\p{Script=Han}[,:;()?!]|[,:;()]\p{Script=Han}).{0,8}/gu) ?? []).toEqual([]);
  });
});

describe('the language of a page', () => {
  it.each([
    ['zh', 'en', 'zh'],
    [undefined, 'zh-CN,zh;q=0.9,en;q=0.8', 'zh'],
    [undefined, 'fr, en;q=0.3, zh;q=0.7', 'zh'],
    [undefined, 'zh;q=0, en', 'en'],
    [undefined, undefined, 'en'],
    ['xx', 'de', 'en'],
  ])('chosen %s, browser %s: %s', (explicit, header, expected) => {
    expect(chooseLang(explicit, header)).toBe(expected);
  });
});

describe('the inclusion picture', () => {
  // Audit paths of the seven-leaf tree of RFC 9162 section 2.1.5.
  it.each([
    [0, ['b', 'h', 'l'], ['right', 'right', 'right']],
    [3, ['c', 'g', 'l'], ['left', 'left', 'right']],
    [4, ['f', 'j', 'k'], ['right', 'right', 'left']],
    [6, ['i', 'k'], ['left', 'left']],
  ])('puts the siblings of leaf %s on the sides that the RFC gives', (index, path, sides) => {
    expect(inclusionSteps({ index, size: 7, path }).map(({ side }) => side)).toEqual(sides);
  });
});

describe('the verification page', () => {
  const assetOf = (name: string) =>
    readFileSync(new URL(`../../gateway/portal/assets/${name}`, import.meta.url), 'utf8');
  const assets = {
    stylesheet: assetOf('portal.css'),
    script: assetOf('verify-page.js'),
    importMap: { imports: { 'assent/verify': 'data:text/javascript,export%20const%20x=1' } },
  };

  it('allows its own blocks by their hashes and nothing from a network', async () => {
    const { page, policy } = verifyPage(assets, 'en');
    const text = page.toString();
    for (const [, content = ''] of text.matchAll(
      /<(?:style|script type="(?:importmap|module)")>([^]*?)<\/(?:style|script)>/g,
    )) {
      const digest = Buffer.from(
        await crypto.subtle.digest('SHA-256', new TextEncoder().encode(content)),
      ).toString('base64');
      expect(policy).toContain(`'sha256-${digest}'`);
    }
    expect(policy).toContain("default-src 'none'");
    expect(policy).not.toMatch(/unsafe|'self'|https?:|\*/);
    expect(text).not.toMatch(/\ssrc=|<link/);
  });

  it('refuses an asset that would end its own block', () => {
    expect(() => verifyPage({ ...assets, script: 'let x = "</script>"' }, 'en')).toThrow('</script');
  });
});

describe('a problem page', () => {
  it('shows the stable code, and a plain sentence for a code it has no words for', () => {
    const ctx = contextFor(samples[0]!, 'zh');
    const text = problemPage({ status: 409, code: 'conflict', requestId: null }, ctx).toString();
    expect(text).toContain('<code>conflict</code>');
    expect(text).toContain(pick('zh').problem.otherTitle);
  });
});
