// Draws an mxGraphModel as one SVG: `draw` gives its text, `show` puts it alone on the page.
'use strict';

let drawing = null;

function draw({ model, border }) {
  const warnings = new Set();
  const container = document.createElement('div');
  container.style.cssText = 'position: absolute; left: 0; top: 0; overflow: visible;';
  document.body.replaceChildren(container);

  const parsed = mxUtils.parseXml(model).documentElement;
  const graph = newGraph(container);
  new mxCodec(parsed.ownerDocument).decode(parsed, graph.getModel());
  graph.view.validate();
  if (parsed.getAttribute('math') === '1') warnings.add('formulas are not typeset');

  const states = graph.view.states.getValues().filter((state) => state.shape || state.text);
  const bounds = graph.getGraphBounds();
  if (states.length === 0 || (bounds.width === 0 && bounds.height === 0)) return { empty: true };
  for (const state of states) complain(state, warnings);

  const width = Math.ceil(bounds.width + 2 * border);
  const height = Math.ceil(bounds.height + 2 * border);
  // A document of its own: then mxGraph adds plain text for readers that do not know foreignObject.
  const target = mxUtils.createXmlDocument();
  const root = target.createElementNS(mxConstants.NS_SVG, 'svg');
  root.setAttribute('xmlns:xlink', mxConstants.NS_XLINK);
  root.setAttribute('version', '1.1');
  root.setAttribute('width', width + 'px');
  root.setAttribute('height', height + 'px');
  root.setAttribute('viewBox', `0 0 ${width} ${height}`);
  target.appendChild(root);
  const background = lightColour(parsed.getAttribute('background'));
  if (background && background !== 'none') {
    const paper = target.createElementNS(mxConstants.NS_SVG, 'rect');
    for (const [key, value] of Object.entries({ width: '100%', height: '100%', fill: background })) {
      paper.setAttribute(key, value);
    }
    root.appendChild(paper);
  }
  const canvas = new mxSvgCanvas2D(root, true);
  canvas.createAlternateContent = plainText;
  canvas.translate(Math.floor(border - bounds.x), Math.floor(border - bounds.y));
  new mxImageExport().drawState(graph.view.getState(graph.model.root), canvas);

  container.remove();
  drawing = root;
  return {
    empty: false,
    svg: '<?xml version="1.0" encoding="UTF-8"?>\n' + new XMLSerializer().serializeToString(root) + '\n',
    width,
    height,
    warnings: [...warnings],
  };
}

function show() {
  const copy = document.importNode(drawing, true);
  copy.style.display = 'block';
  document.body.replaceChildren(copy);
}

function newGraph(container) {
  const graph = new mxGraph(container);
  graph.foldingEnabled = false;
  graph.setHtmlLabels(true);
  graph.isHtmlLabel = function (cell) {
    const style = this.getCurrentCellStyle(cell);
    return style.html === '1' || style.html === 1 || style.whiteSpace === 'wrap';
  };
  graph.convertValueToString = function (cell) {
    const value = this.model.getValue(cell);
    if (!mxUtils.isNode(value)) return value == null ? '' : String(value);
    const label = value.getAttribute('label') || '';
    if (value.getAttribute('placeholders') !== '1') return label;
    return label.replace(/%([^%\s]+)%/g, (whole, name) => value.getAttribute(name) ?? whole);
  };
  graph.getLabel = function (cell) {
    const label = mxGraph.prototype.getLabel.call(this, cell);
    if (!label || !this.isHtmlLabel(cell)) return label;
    // Without html=1, a label that wraps is text.
    return this.getCurrentCellStyle(cell).html == 1 ? harmless(label) : mxUtils.htmlEntities(label, false);
  };
  graph.view.getPerimeterFunction = function (state) {
    const found = mxGraphView.prototype.getPerimeterFunction.call(this, state);
    const unknown = typeof state.style.perimeter === 'string' && state.style.perimeter !== 'none';
    return found || (unknown ? mxPerimeter.RectanglePerimeter : null);
  };

  const sheet = graph.getStylesheet();
  const text = { fontColor: '#000000', fontFamily: 'Helvetica', fontSize: 12, align: 'center' };
  sheet.putDefaultVertexStyle({
    ...text,
    shape: 'label',
    perimeter: mxPerimeter.RectanglePerimeter,
    verticalAlign: 'middle',
    fillColor: '#ffffff',
    strokeColor: '#000000',
  });
  sheet.putDefaultEdgeStyle({
    ...text,
    shape: 'connector',
    labelBackgroundColor: '#ffffff',
    endArrow: 'classic',
    fontSize: 11,
    strokeColor: '#000000',
    verticalAlign: 'middle',
    rounded: 1,
  });
  const plain = { fillColor: 'none', strokeColor: 'none' };
  const named = {
    text: { ...plain, align: 'left', verticalAlign: 'top' },
    edgeLabel: { ...plain, labelBackgroundColor: '#ffffff', fontSize: 11 },
    label: { fontStyle: 1, align: 'left', spacingLeft: 52 },
    group: { ...plain, verticalAlign: 'top', pointerEvents: 0 },
    ellipse: { shape: 'ellipse', perimeter: mxPerimeter.EllipsePerimeter },
    rhombus: { shape: 'rhombus', perimeter: mxPerimeter.RhombusPerimeter },
    triangle: { shape: 'triangle', perimeter: mxPerimeter.TrianglePerimeter },
    line: { shape: 'line', strokeWidth: 4, labelBackgroundColor: '#ffffff', verticalAlign: 'top', spacingTop: 8 },
    image: { shape: 'image', labelBackgroundColor: '#ffffff', verticalAlign: 'top', verticalLabelPosition: 'bottom' },
    roundImage: { shape: 'image', perimeter: mxPerimeter.EllipsePerimeter },
    rhombusImage: { shape: 'image', perimeter: mxPerimeter.RhombusPerimeter },
    arrow: { shape: 'arrow', edgeStyle: 'none', fillColor: '#ffffff' },
    swimlane: { shape: 'swimlane', fontSize: 12, fontStyle: 1, startSize: 23 },
  };
  for (const [name, style] of Object.entries(named)) {
    sheet.putCellStyle(name, { ...sheet.getDefaultVertexStyle(), ...style });
  }
  const looked = sheet.getCellStyle;
  sheet.getCellStyle = function (name, fallback) {
    const style = looked.call(this, name, fallback);
    for (const [key, value] of Object.entries(style)) {
      if (typeof value !== 'string' || !/color/i.test(key)) continue;
      style[key] = value === 'default' ? (/fill|background/i.test(key) ? '#ffffff' : '#000000') : lightColour(value);
    }
    return style;
  };
  return graph;
}

// draw.io's newer files give a colour for a light and one for a dark page.
function lightColour(value) {
  const pair = /^light-dark\(\s*((?:[^(),]|\([^()]*\))+)\s*,/.exec(value ?? '');
  return pair ? pair[1].trim() : value;
}

// What cannot be drawn as it was meant.
function complain(state, warnings) {
  const { shape, image, startArrow, endArrow, edgeStyle, perimeter } = state.style;
  if (shape && !mxCellRenderer.defaultShapes[shape] && !mxStencilRegistry.getStencil(shape)) {
    const name = shape.startsWith('stencil(') ? 'stencil(…)' : shape;
    warnings.add(`there is no shape ${name}: drawn as a ${state.view.graph.model.isEdge(state.cell) ? 'line' : 'rectangle'}`);
  }
  if (image && !/^data:/.test(image)) warnings.add(`the picture ${image} is not in the file: left out`);
  for (const arrow of [startArrow, endArrow]) {
    if (arrow && arrow !== 'none' && !mxMarker.markers[arrow]) warnings.add(`there is no line end ${arrow}: left out`);
  }
  for (const name of [edgeStyle, perimeter]) {
    if (typeof name === 'string' && name !== 'none' && name !== '' && !mxStyleRegistry.getValue(name)) {
      warnings.add(`there is no ${name}: the lines' ways may differ`);
    }
  }
}

// A label's HTML without what would run or fetch when the SVG is opened.
function harmless(html) {
  const parsed = new DOMParser().parseFromString(html, 'text/html');
  for (const node of parsed.querySelectorAll('script, style, iframe, object, embed, link, meta, base, form, template')) {
    node.remove();
  }
  for (const node of parsed.body.querySelectorAll('*')) {
    for (const { name, value } of [...node.attributes]) {
      const address = /^(href|src|xlink:href|action|formaction|srcset|background)$/i.test(name);
      if (/^on/i.test(name) || (address && !/^\s*(https?:|mailto:|#|data:image\/)/i.test(value))) {
        node.removeAttribute(name);
      }
    }
  }
  return parsed.body.innerHTML;
}

// The label's lines as SVG text, for readers that do not know foreignObject.
function plainText(_fo, x, y, _w, _h, label, align, valign) {
  const s = this.state;
  const holder = new DOMParser().parseFromString(typeof label === 'string' ? label : label.outerHTML, 'text/html').body;
  for (const node of holder.querySelectorAll('br')) node.replaceWith('\n');
  for (const node of holder.querySelectorAll('div, p, li, tr, h1, h2, h3, h4, hr')) node.prepend('\n');
  const found = holder.textContent.split('\n').map((line) => line.trim()).filter(Boolean);
  if (found.length === 0 || !(s.fontSize > 0)) return null;

  const step = s.fontSize * mxConstants.LINE_HEIGHT;
  const first = { top: s.fontSize, bottom: -step * (found.length - 1) }[valign] ?? s.fontSize * 0.3 - (step * (found.length - 1)) / 2;
  const alt = this.createElement('text');
  const attributes = {
    fill: s.fontColor || '#000000',
    'font-family': s.fontFamily,
    'font-size': s.fontSize + 'px',
    'text-anchor': { right: 'end', left: 'start' }[align] ?? 'middle',
  };
  if (s.fontStyle & mxConstants.FONT_BOLD) attributes['font-weight'] = 'bold';
  if (s.fontStyle & mxConstants.FONT_ITALIC) attributes['font-style'] = 'italic';
  for (const [key, value] of Object.entries(attributes)) alt.setAttribute(key, value);
  found.forEach((line, at) => {
    const span = this.createElement('tspan');
    span.setAttribute('x', Math.round(x + s.dx));
    span.setAttribute('y', Math.round(y + s.dy + first + at * step));
    mxUtils.write(span, line);
    alt.appendChild(span);
  });
  return alt;
}
