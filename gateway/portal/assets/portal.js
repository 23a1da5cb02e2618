// Comfort only: every page works without this.

// Times are shown in the reader's own zone from the next page on.
const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
if (zone) document.cookie = `assent_zone=${zone}; path=/; max-age=31536000; samesite=lax`;

// A flip reloads the page; keep the place and the focus where the person was.
const key = 'assent-place';

for (const form of document.querySelectorAll('form.switch-form')) {
  form.addEventListener('submit', () => {
    const name = form.querySelector('button').getAttribute('aria-label');
    sessionStorage.setItem(key, JSON.stringify({ path: location.pathname, y: scrollY, name }));
  });
}

// What cannot be undone is sent once: a second press would replace the answer, which is shown only then.
for (const button of document.querySelectorAll('button.grave')) {
  button.form.addEventListener('submit', () => (button.disabled = true));
}

const place = JSON.parse(sessionStorage.getItem(key) ?? 'null');
sessionStorage.removeItem(key);
if (place !== null && place.path === location.pathname) {
  scrollTo({ top: place.y, behavior: 'instant' });
  const button = [...document.querySelectorAll('button.switch')].find(
    (candidate) => candidate.getAttribute('aria-label') === place.name,
  );
  button?.focus({ preventScroll: true });
}
