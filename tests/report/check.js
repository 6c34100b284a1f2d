'use strict';
// Looks at a page of a run in a browser, and leaves in the frame around it what it finds.
{
  const took = performance.now();
  const boxes = (elements) => elements.map((element) => [element, element.getBoundingClientRect()]);
  const name = (element) => `${element.tagName} ${element.id} ${element.className.baseVal ?? element.className} ${element.textContent.trim().slice(0, 40)}`;
  const cut = (a, b) => Math.min(a.right, b.right) - Math.max(a.left, b.left) > 1 && Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top) > 1;
  const overlapping = (elements) => {
    const found = [];
    const all = boxes(elements).filter(([, box]) => box.width > 0 && box.height > 0);
    all.forEach(([a, at], i) => {
      for (const [b, there] of all.slice(i + 1)) {
        if (!a.contains(b) && !b.contains(a) && cut(at, there)) found.push(`${name(a)} / ${name(b)}`);
      }
    });
    return found;
  };

  const plots = [...document.querySelectorAll('svg[role=img]')];
  const marks = (svg) => [...svg.querySelectorAll('circle, path, polyline, line, rect')].filter((mark) => {
    const box = mark.getBBox();
    return box.width + box.height > 0;
  });
  // What makes a plot is more than its axes and their marks.
  const empty = plots.filter((svg) => svg.getBoundingClientRect().width < 50 || marks(svg).length < 3 || !svg.querySelector('circle, path, polyline, rect + text, g rect')).map(name);

  const blocks = [...document.querySelectorAll('h1, h2, h3, h4, p, dt, dd, nav a, figcaption, .legend li, .scroll, .controls *, .failures li > *')]
    .filter((element) => !element.parentElement.closest('.scroll') && element.getClientRects().length === 1);
  const overlaps = overlapping(blocks);
  for (const svg of plots) overlaps.push(...overlapping([...svg.querySelectorAll('text')]).map((text) => `${name(svg.closest('figure'))}: ${text}`));

  const sideways = document.documentElement.scrollWidth > innerWidth ? [`${document.documentElement.scrollWidth} > ${innerWidth}`] : [];
  for (const svg of plots) {
    // Letters end within the drawing.
    const whole = svg.getBoundingClientRect();
    for (const [text, box] of boxes([...svg.querySelectorAll('text')])) {
      if (box.left < whole.left - 1 || box.right > whole.right + 1) sideways.push(`${name(svg.closest('figure'))}: ${name(text)}`);
    }
  }

  const canvas = document.createElement('canvas').getContext('2d', { willReadFrequently: true });
  const luminance = (colour) => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = colour;
    canvas.fillRect(0, 0, 1, 1);
    const [r, g, b] = [...canvas.getImageData(0, 0, 1, 1).data].map((x) => x / 255).map((x) => (x <= 0.04045 ? x / 12.92 : ((x + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ground = luminance(getComputedStyle(document.documentElement).backgroundColor);
  const contrast = (colour) => {
    const ink = luminance(colour);
    return (Math.max(ink, ground) + 0.05) / (Math.min(ink, ground) + 0.05);
  };
  const faint = [];
  for (const element of document.querySelectorAll('body, h1, p, td, th, dt, dd, a, figcaption, small, .status')) {
    const found = contrast(getComputedStyle(element).color);
    if (found < 4.5) faint.push(`${name(element)}: ${found}`);
  }
  for (const text of document.querySelectorAll('svg text')) {
    // Numbers in coloured squares have another ground.
    const isOnSquare = text.previousElementSibling?.tagName === 'rect' && !text.closest('g');
    const found = contrast(getComputedStyle(text).fill);
    if (!isOnSquare && found < 4.5) faint.push(`${name(text)}: ${found}`);
  }
  for (const swatch of document.querySelectorAll('.swatch')) {
    const found = contrast(getComputedStyle(swatch).backgroundColor);
    if (found < 3) faint.push(`${name(swatch)}: ${found}`);
  }

  // A table of trials by keyboard: its heads are buttons, in the order of the tab key, and say how the rows are sorted.
  const unsorted = [];
  let trials = 0;
  for (const box of document.querySelectorAll('.trials')) {
    const head = [...box.querySelectorAll('thead th')].find((th) => th.textContent === 'value');
    const button = head.querySelector('button');
    button.focus();
    if (document.activeElement !== button || button.tabIndex !== 0) unsorted.push('a head takes no focus');
    const column = [...head.parentElement.children].indexOf(head);
    const shown = () => [...box.querySelectorAll('tbody tr')].map((tr) => tr.children[column].textContent).filter((text) => text !== '').map(Number);
    const isSorted = (way) => shown().every((x, i, all) => i === 0 || way * (x - all[i - 1]) >= 0);
    for (const [way, word] of [[1, 'ascending'], [-1, 'descending']]) {
      button.click();
      if (head.getAttribute('aria-sort') !== word || !isSorted(way)) unsorted.push(`${word}: ${shown()}`);
    }
    const all = box.querySelector('output').textContent;
    trials = Number(all.split(' of ')[1]);
    const field = box.querySelector('input');
    field.value = 'young';
    field.dispatchEvent(new Event('input'));
    if (!shown().length || [...box.querySelectorAll('tbody tr')].some((tr) => !tr.textContent.includes('young'))) unsorted.push('the filter shows others');
    if (box.querySelector('output').textContent === all) unsorted.push('the filter shows all');
  }

  const unnamed = [...document.querySelectorAll('section, [role=region], svg[role=img], input')].filter((element) => {
    const ids = (element.getAttribute('aria-labelledby') ?? '').split(' ').filter((id) => id);
    const text = ids.map((id) => document.getElementById(id)?.textContent ?? '').join('') || element.getAttribute('aria-label') || element.labels?.[0]?.textContent;
    return !text?.trim();
  }).map(name);
  const ids = [...document.querySelectorAll('[id]')].map((element) => element.id);
  unnamed.push(...ids.filter((id, i) => ids.indexOf(id) !== i).map((id) => `${id} stands there twice`));
  if (document.querySelectorAll('[style], [onclick], [onload], [onerror]').length) unnamed.push('an attribute holds style or script');

  const found = { took, figures: plots.length, trials, dark: ground < 0.2, errors, empty, overlaps, sideways, faint, unsorted, unnamed };
  parent.document.getElementById('found').textContent = JSON.stringify(found);
}
