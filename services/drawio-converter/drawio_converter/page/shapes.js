// The shapes, perimeters and line ends that draw.io's editor adds to mxGraph's own, by their names in
// its files. Libraries of icons (mxgraph.aws4.…) are not here: `draw` warns and draws a rectangle.
'use strict';

(() => {
  // `paint` draws in a box of w x h at the origin; `style(key, default)` is a number of the cell's style.
  function shape(name, paint, margins) {
    function Shape() {
      mxShape.call(this);
    }
    mxUtils.extend(Shape, mxShape);
    const number = (self) => (key, value) => parseFloat(mxUtils.getValue(self.style, key, value));
    Shape.prototype.paintVertexShape = function (c, x, y, w, h) {
      c.translate(x, y);
      paint.call(this, c, w, h, number(this));
    };
    if (margins) {
      Shape.prototype.getLabelMargins = function (rect) {
        const [left, top, right, bottom] = margins.call(this, rect.width, rect.height, number(this));
        return new mxRectangle(left, top, right, bottom);
      };
    }
    mxCellRenderer.registerShape(name, Shape);
  }

  function polygon(c, points) {
    c.begin();
    points.forEach(([x, y], at) => (at ? c.lineTo(x, y) : c.moveTo(x, y)));
    c.close();
    c.fillAndStroke();
  }

  function lines(c, ...paths) {
    c.setShadow(false);
    for (const path of paths) {
      c.begin();
      path.forEach(([x, y], at) => (at ? c.lineTo(x, y) : c.moveTo(x, y)));
      c.stroke();
    }
  }

  // A size is a share of the side, or, with fixedSize=1, in units.
  function part(style, side, share, fixed) {
    return style('fixedSize', 0)
      ? Math.max(0, Math.min(side, style('size', fixed)))
      : side * Math.max(0, Math.min(1, style('size', share)));
  }

  const outlines = {
    parallelogram: (w, h, style) => {
      const d = part(style, w, 0.2, 20);
      return [[0, h], [d, 0], [w, 0], [w - d, h]];
    },
    trapezoid: (w, h, style) => {
      const d = Math.min(w / 2, part(style, w, 0.2, 20));
      return [[0, h], [d, 0], [w - d, 0], [w, h]];
    },
    step: (w, h, style) => {
      const d = part(style, w, 0.2, 20);
      return [[0, 0], [w - d, 0], [w, h / 2], [w - d, h], [0, h], [d, h / 2]];
    },
    hexagon: (w, h, style) => {
      const d = Math.min(w / 2, part(style, w, 0.25, 20));
      return [[d, 0], [w - d, 0], [w, h / 2], [w - d, h], [d, h], [0, h / 2]];
    },
    card: (w, h, style) => {
      const d = Math.min(w, h, style('size', 30));
      return [[d, 0], [w, 0], [w, h], [0, h], [0, d]];
    },
    loopLimit: (w, h, style) => {
      const d = Math.min(w / 2, h, style('size', 20));
      return [[d, 0], [w - d, 0], [w, d * 0.8], [w, h], [0, h], [0, d * 0.8]];
    },
    offPageConnector: (w, h, style) => {
      const d = h * Math.max(0, Math.min(1, style('size', 3 / 8)));
      return [[0, 0], [w, 0], [w, h - d], [w / 2, h], [0, h - d]];
    },
    manualInput: (w, h, style) => {
      const d = Math.min(h, style('size', 30));
      return [[0, h], [0, d], [w, 0], [w, h]];
    },
    singleArrow: (w, h, style) => {
      const head = w * style('arrowSize', 0.2);
      const top = (h * (1 - style('arrowWidth', 0.3))) / 2;
      return [[0, top], [w - head, top], [w - head, 0], [w, h / 2], [w - head, h], [w - head, h - top], [0, h - top]];
    },
    doubleArrow: (w, h, style) => {
      const head = w * style('arrowSize', 0.2);
      const top = (h * (1 - style('arrowWidth', 0.3))) / 2;
      return [[0, h / 2], [head, 0], [head, top], [w - head, top], [w - head, 0], [w, h / 2],
        [w - head, h], [w - head, h - top], [head, h - top], [head, h]];
    },
  };
  for (const [name, outline] of Object.entries(outlines)) {
    shape(name, (c, w, h, style) => polygon(c, outline(w, h, style)));
  }

  shape('process', (c, w, h, style) => {
    const d = style('fixedSize', 0) ? style('size', 30) : w * Math.min(0.5, style('size', 0.1));
    polygon(c, [[0, 0], [w, 0], [w, h], [0, h]]);
    lines(c, [[d, 0], [d, h]], [[w - d, 0], [w - d, h]]);
  });

  shape('internalStorage', (c, w, h, style) => {
    polygon(c, [[0, 0], [w, 0], [w, h], [0, h]]);
    const dx = Math.min(w, style('dx', 20));
    const dy = Math.min(h, style('dy', 20));
    lines(c, [[dx, 0], [dx, h]], [[0, dy], [w, dy]]);
  });

  shape('note', (c, w, h, style) => {
    const d = Math.min(w, h, style('size', 30));
    polygon(c, [[0, 0], [w - d, 0], [w, d], [w, h], [0, h]]);
    lines(c, [[w - d, 0], [w - d, d], [w, d]]);
  });

  shape('cube', (c, w, h, style) => {
    const d = Math.min(w, h, style('size', 20));
    polygon(c, [[0, 0], [w - d, 0], [w, d], [w, h], [d, h], [0, h - d]]);
    lines(c, [[d, h], [d, d], [0, 0]], [[d, d], [w, d]]);
  }, (w, h, style) => {
    const d = Math.min(w, h, style('size', 20));
    return [d, d, 0, 0];
  });

  shape('folder', (c, w, h, style) => {
    const width = Math.min(w, style('tabWidth', 60));
    const height = Math.min(h, style('tabHeight', 20));
    polygon(c, [[0, 0], [width, 0], [width, height], [w, height], [w, h], [0, h]]);
    lines(c, [[0, height], [width, height]]);
  });

  shape('document', (c, w, h, style) => {
    const d = h * Math.max(0, Math.min(1, style('size', 0.3)));
    c.begin();
    c.moveTo(0, 0);
    c.lineTo(w, 0);
    c.lineTo(w, h - d / 2);
    c.quadTo((w * 3) / 4, h - d * 1.4, w / 2, h - d / 2);
    c.quadTo(w / 4, h + d * 0.4, 0, h - d / 2);
    c.close();
    c.fillAndStroke();
  });

  shape('tape', (c, w, h, style) => {
    const d = h * Math.max(0, Math.min(1, style('size', 0.4)));
    c.begin();
    c.moveTo(0, d / 2);
    c.quadTo(w / 4, d * 1.4, w / 2, d / 2);
    c.quadTo((w * 3) / 4, -d * 0.4, w, d / 2);
    c.lineTo(w, h - d / 2);
    c.quadTo((w * 3) / 4, h - d * 1.4, w / 2, h - d / 2);
    c.quadTo(w / 4, h + d * 0.4, 0, h - d / 2);
    c.close();
    c.fillAndStroke();
  });

  shape('dataStorage', (c, w, h, style) => {
    const d = part(style, w, 0.1, 20);
    c.begin();
    c.moveTo(d, 0);
    c.lineTo(w, 0);
    c.quadTo(w - d * 2, h / 2, w, h);
    c.lineTo(d, h);
    c.quadTo(d - d * 2, h / 2, d, 0);
    c.close();
    c.fillAndStroke();
  });

  shape('delay', (c, w, h) => {
    const d = Math.min(w, h / 2);
    c.begin();
    c.moveTo(0, 0);
    c.lineTo(w - d, 0);
    c.quadTo(w, 0, w, h / 2);
    c.quadTo(w, h, w - d, h);
    c.lineTo(0, h);
    c.close();
    c.fillAndStroke();
  });

  shape('display', (c, w, h, style) => {
    const d = w * Math.max(0, Math.min(1, style('size', 0.25)));
    c.begin();
    c.moveTo(0, h / 2);
    c.lineTo(d, 0);
    c.lineTo(w - d, 0);
    c.quadTo(w, 0, w, h / 2);
    c.quadTo(w, h, w - d, h);
    c.lineTo(d, h);
    c.close();
    c.fillAndStroke();
  });

  shape('callout', (c, w, h, style) => {
    const size = Math.min(h, style('size', 30));
    const from = w * style('position', 0.5);
    const tip = w * style('position2', 0.5);
    const base = Math.min(w - from, style('base', 20));
    polygon(c, [[0, 0], [w, 0], [w, h - size], [from + base, h - size], [tip, h], [from, h - size], [0, h - size]]);
  }, (w, h, style) => [0, 0, 0, Math.min(h, style('size', 30))]);

  function cylinder(c, w, h, style) {
    const d = Math.max(0, Math.min(h / 2, style('size', 15)));
    c.begin();
    c.moveTo(0, d);
    c.arcTo(w / 2, d, 0, 0, 1, w / 2, 0);
    c.arcTo(w / 2, d, 0, 0, 1, w, d);
    c.lineTo(w, h - d);
    c.arcTo(w / 2, d, 0, 0, 1, w / 2, h);
    c.arcTo(w / 2, d, 0, 0, 1, 0, h - d);
    c.close();
    c.fillAndStroke();
    c.setShadow(false);
    c.begin();
    c.moveTo(w, d);
    c.arcTo(w / 2, d, 0, 0, 1, w / 2, 2 * d);
    c.arcTo(w / 2, d, 0, 0, 1, 0, d);
    c.stroke();
  }
  const underLid = (w, h, style) => [0, Math.min(h, 2 * style('size', 15)), 0, 0];
  shape('cylinder2', cylinder, underLid);
  shape('cylinder3', cylinder, underLid);
  shape('datastore', (c, w, h, style) => cylinder(c, w, h, (key, value) => (key === 'size' ? h / 8 : style(key, value))));

  shape('umlActor', (c, w, h) => {
    c.ellipse(w / 4, 0, w / 2, h / 4);
    c.fillAndStroke();
    lines(c, [[w / 2, h / 4], [w / 2, (2 * h) / 3]], [[0, h / 3], [w, h / 3]],
      [[0, h], [w / 2, (2 * h) / 3], [w, h]]);
  });

  shape('umlLifeline', function (c, w, h, style) {
    const head = Math.max(0, Math.min(h, style('size', 40)));
    polygon(c, [[0, 0], [w, 0], [w, head], [0, head]]);
    c.setDashed(true);
    lines(c, [[w / 2, head], [w / 2, h]]);
  }, (w, h, style) => [0, 0, 0, h - Math.min(h, style('size', 40))]);

  shape('umlFrame', function (c, w, h, style) {
    const width = Math.min(w, style('width', 60));
    const height = Math.min(h, style('height', 30));
    lines(c, [[0, 0], [w, 0], [w, h], [0, h], [0, 0]]);
    polygon(c, [[0, 0], [width, 0], [width, height / 2], [width * 0.9, height], [0, height]]);
  }, (w, h, style) => [0, 0, w - Math.min(w, style('width', 60)), h - Math.min(h, style('height', 30))]);

  shape('module', (c, w, h, style) => {
    const jw = style('jettyWidth', 20);
    const jh = style('jettyHeight', 10);
    const x = jw / 2;
    polygon(c, [[x, 0], [w, 0], [w, h], [x, h]]);
    for (const y of [Math.min(jh, h - jh), Math.min(3 * jh, h - jh)]) {
      polygon(c, [[0, y], [jw, y], [jw, y + jh], [0, y + jh]]);
    }
  }, (w, h, style) => [style('jettyWidth', 20), 0, 0, 0]);
  mxCellRenderer.registerShape('component', mxCellRenderer.defaultShapes.module);

  function crossed(diagonal) {
    return (c, w, h) => {
      c.ellipse(0, 0, w, h);
      c.fillAndStroke();
      const [a, b] = [0.145, 0.855];
      if (diagonal) lines(c, [[w * a, h * a], [w * b, h * b]], [[w * b, h * a], [w * a, h * b]]);
      else lines(c, [[0, h / 2], [w, h / 2]], [[w / 2, 0], [w / 2, h]]);
    };
  }
  shape('sumEllipse', crossed(true));
  shape('orEllipse', crossed(false));
  shape('lineEllipse', (c, w, h) => {
    c.ellipse(0, 0, w, h);
    c.fillAndStroke();
    lines(c, [[0, h / 2], [w, h / 2]]);
  });

  shape('curlyBracket', (c, w, h) => {
    const m = w / 2;
    const r = Math.min(m, h / 4);
    c.begin();
    c.moveTo(w, 0);
    c.quadTo(m, 0, m, r);
    c.lineTo(m, h / 2 - r);
    c.quadTo(m, h / 2, 0, h / 2);
    c.quadTo(m, h / 2, m, h / 2 + r);
    c.lineTo(m, h - r);
    c.quadTo(m, h, w, h);
    c.stroke();
  });

  // A rectangle of which single sides are drawn: top=0, left=0, … Tables are made of it.
  shape('partialRectangle', function (c, w, h, style) {
    c.rect(0, 0, w, h);
    c.fill();
    const sides = { top: [[0, 0], [w, 0]], right: [[w, 0], [w, h]], bottom: [[0, h], [w, h]], left: [[0, 0], [0, h]] };
    lines(c, ...Object.keys(sides).filter((side) => style(side, 1)).map((side) => sides[side]));
  });
  mxCellRenderer.registerShape('tableRow', mxCellRenderer.defaultShapes.partialRectangle);
  mxCellRenderer.registerShape('table', mxSwimlane);
  mxCellRenderer.registerShape('ext', mxRectangleShape);
  mxCellRenderer.registerShape('flexArrow', mxArrowConnector);

  // An edge of two lines.
  function Link() {
    mxConnector.call(this);
  }
  mxUtils.extend(Link, mxConnector);
  Link.prototype.paintEdgeShape = function (c, points) {
    const half = parseFloat(mxUtils.getValue(this.style, 'width', 4)) / 2;
    for (const side of [-half, half]) {
      const moved = points.map((point, at) => {
        const a = points[Math.max(0, at - 1)];
        const b = points[Math.min(points.length - 1, at + 1)];
        const length = Math.hypot(b.x - a.x, b.y - a.y) || 1;
        return [point.x + (side * (b.y - a.y)) / length, point.y - (side * (b.x - a.x)) / length];
      });
      lines(c, moved);
    }
  };
  mxCellRenderer.registerShape('link', Link);

  // Where edges meet an outline that is not its box.
  function perimeter(name, outline) {
    mxStyleRegistry.putValue(name, (bounds, vertex, next, orthogonal) => {
      const style = (key, value) => parseFloat(mxUtils.getValue(vertex ? vertex.style : null, key, value));
      const points = outline(bounds.width, bounds.height, style).map(([x, y]) => new mxPoint(bounds.x + x, bounds.y + y));
      const centre = new mxPoint(bounds.getCenterX(), bounds.getCenterY());
      if (orthogonal) {
        if (next.x >= bounds.x && next.x <= bounds.x + bounds.width) centre.x = next.x;
        else if (next.y >= bounds.y && next.y <= bounds.y + bounds.height) centre.y = next.y;
      }
      return mxUtils.getPerimeterPoint([...points, points[0]], centre, next) || mxPerimeter.RectanglePerimeter(bounds, vertex, next, orthogonal);
    });
  }
  perimeter('parallelogramPerimeter', outlines.parallelogram);
  perimeter('trapezoidPerimeter', outlines.trapezoid);
  perimeter('stepPerimeter', outlines.step);
  perimeter('hexagonPerimeter2', outlines.hexagon);
  mxStyleRegistry.putValue('calloutPerimeter', (bounds, vertex, next, orthogonal) => {
    const tail = vertex ? parseFloat(mxUtils.getValue(vertex.style, 'size', 30)) * vertex.view.scale : 0;
    const box = new mxRectangle(bounds.x, bounds.y, bounds.width, Math.max(0, bounds.height - tail));
    return mxPerimeter.RectanglePerimeter(box, vertex, next, orthogonal);
  });
  mxStyleRegistry.putValue('centerPerimeter', (bounds) => new mxPoint(bounds.getCenterX(), bounds.getCenterY()));
  mxStyleRegistry.putValue('lifelinePerimeter', (bounds, vertex, next) => {
    const head = vertex ? parseFloat(mxUtils.getValue(vertex.style, 'size', 40)) * vertex.view.scale : 0;
    return new mxPoint(bounds.getCenterX(), Math.min(bounds.y + bounds.height, Math.max(bounds.y + head, next.y)));
  });

  // Line ends of entity-relationship diagrams, and a few others. (ux, uy) points along the edge to its end.
  function marker(name, paint) {
    mxMarker.addMarker(name, (c, _shape, _type, end, ux, uy, size, _source, width) => {
      const at = end.clone();
      const place = (along, across) => [at.x - along * ux - across * uy, at.y - along * uy + across * ux];
      return () => paint(c, place, size + width);
    });
  }
  const bar = (c, place, along, size) => lines(c, [place(along, -size / 2), place(along, size / 2)]);
  const foot = (c, place, size) => lines(c, [place(0, size / 2), place(size, 0), place(0, -size / 2)]);
  const ring = (c, place, along, size) => {
    const [x, y] = place(along, 0);
    c.ellipse(x - size / 2, y - size / 2, size, size);
    c.save();
    c.setFillColor('#ffffff');
    c.fillAndStroke();
    c.restore();
  };
  marker('ERone', (c, place, size) => bar(c, place, size / 2, size));
  marker('ERmandOne', (c, place, size) => {
    bar(c, place, size / 2, size);
    bar(c, place, size, size);
  });
  marker('ERmany', (c, place, size) => foot(c, place, size));
  marker('ERoneToMany', (c, place, size) => {
    foot(c, place, size);
    bar(c, place, size, size);
  });
  marker('ERzeroToMany', (c, place, size) => {
    foot(c, place, size);
    ring(c, place, size * 1.5, size);
  });
  marker('ERzeroToOne', (c, place, size) => {
    bar(c, place, size / 2, size);
    ring(c, place, size * 1.5, size);
  });
  marker('circle', (c, place, size) => ring(c, place, size / 2, size));
  marker('cross', (c, place, size) =>
    lines(c, [place(0, -size / 2), place(size, size / 2)], [place(0, size / 2), place(size, -size / 2)]));
  marker('dash', (c, place, size) => lines(c, [place(0, -size / 2), place(size, size / 2)]));
})();
