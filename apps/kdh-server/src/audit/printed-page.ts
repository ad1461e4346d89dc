import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import PDFDocument from 'pdfkit';

/** DejaVu has the letters of most people's names; the fonts that every PDF reader brings have those of Western Europe. */
const fonts = join(dirname(createRequire(import.meta.url).resolve('dejavu-fonts-ttf/package.json')), 'ttf');

const MARGIN = 51; // 18 mm, in points as all lengths here
const INK = '#111111';
const FAINT = '#666666';
const RULE = '#bbbbbb';
const LABEL_WIDTH = 130;
const TABLE_SIZE = 6.8;

/** What stands in the head and foot of each page. */
export interface PageFrame {
  title: string;
  /** Right of the title. */
  subject: string;
  foot: string;
  /** What the document is dated, so that the same records give the same bytes. */
  date: Date;
}

/** A printed report, A4: headings, rows, tables and code blocks, one under the other over as many pages as they take. */
export class PrintedPage {
  readonly #frame: PageFrame;
  readonly #doc: PDFKit.PDFDocument;
  readonly #chunks: Buffer[] = [];
  readonly #ended: Promise<void>;

  constructor(frame: PageFrame) {
    this.#frame = frame;
    this.#doc = new PDFDocument({
      size: 'A4',
      margins: { top: MARGIN + 30, bottom: MARGIN + 10, left: MARGIN, right: MARGIN },
      bufferPages: true,
      info: { Title: `${frame.title} ${frame.subject}`, Creator: 'OpenKDH', CreationDate: frame.date },
    });
    for (const [name, file] of Object.entries({
      sans: 'DejaVuSans',
      bold: 'DejaVuSans-Bold',
      mono: 'DejaVuSansMono',
    }))
      this.#doc.registerFont(name, join(fonts, `${file}.ttf`));
    this.#doc.on('data', (chunk: Buffer) => this.#chunks.push(chunk));
    this.#ended = new Promise((resolve) => this.#doc.on('end', resolve));
  }

  get width(): number {
    return this.#doc.page.width - 2 * MARGIN;
  }

  /** Large, at the top of a report. */
  title(text: string, under: string): void {
    this.#doc.font('bold').fontSize(18).fillColor(INK).text(text, MARGIN);
    this.#doc.moveDown(0.2).font('sans').fontSize(9).fillColor(FAINT).text(under);
    this.#doc.moveDown(0.8);
  }

  /** `room`: points that what follows needs on the same page. */
  heading(text: string, room = 45): void {
    this.#keep(room + 25);
    this.#doc.moveDown(0.7).font('bold').fontSize(11).fillColor(INK).text(text, MARGIN);
    const y = this.#doc.y + 2;
    this.#doc
      .moveTo(MARGIN, y)
      .lineTo(MARGIN + this.width, y)
      .lineWidth(0.6)
      .strokeColor(RULE)
      .stroke();
    this.#doc.y = y + 5;
  }

  paragraph(text: string, width = this.width): void {
    this.#doc
      .font('sans')
      .fontSize(8.5)
      .fillColor(INK)
      .text(text, MARGIN, undefined, { width, lineGap: 1.5 });
    this.#doc.moveDown(0.4);
  }

  /** A label and its value; `code`: for what is compared character by character. */
  row(label: string, value: string, code = false, width = this.width): void {
    const height = this.#heightOf(value, code, width - LABEL_WIDTH);
    this.#keep(height);
    const { y } = this.#doc;
    this.#doc
      .font('sans')
      .fontSize(8)
      .fillColor(FAINT)
      .text(label, MARGIN, y, { width: LABEL_WIDTH - 8 });
    this.#doc
      .font(code ? 'mono' : 'sans')
      .fontSize(8)
      .fillColor(INK);
    this.#doc.text(value, MARGIN + LABEL_WIDTH, y, { width: width - LABEL_WIDTH });
    this.#doc.y = Math.max(this.#doc.y, y + height) + 2.5;
  }

  /** Columns with their shares of the width; a row stays on one page, and the names stand again at the top of the next. */
  table(columns: [name: string, share: number][], rows: string[][]): void {
    const whole = columns.reduce((sum, [, share]) => sum + share, 0);
    const widths = columns.map(([, share]) => (share / whole) * this.width);
    const heightOf = (cells: string[], font: string) => {
      this.#doc.font(font).fontSize(TABLE_SIZE);
      return Math.max(
        ...cells.map((cell, n) => this.#doc.heightOfString(cell || ' ', { width: widths[n]! - 6 })),
      );
    };
    const line = (cells: string[], height: number, font: string, colour: string) => {
      const { y } = this.#doc;
      let x = MARGIN;
      this.#doc.font(font).fontSize(TABLE_SIZE).fillColor(colour);
      for (const [n, cell] of cells.entries()) {
        this.#doc.text(cell, x, y, { width: widths[n]! - 6 });
        x += widths[n]!;
      }
      this.#doc.y = y + height + 2.5;
      this.#doc.moveTo(MARGIN, this.#doc.y).lineTo(MARGIN + this.width, this.#doc.y);
      this.#doc.lineWidth(0.3).strokeColor(RULE).stroke();
      this.#doc.y += 2.5;
    };
    const names = columns.map(([name]) => name);
    const namesHeight = heightOf(names, 'bold');
    this.#keep(namesHeight + 20);
    line(names, namesHeight, 'bold', FAINT);
    for (const cells of rows) {
      const height = heightOf(cells, 'mono');
      if (this.#keep(height + 5)) line(names, namesHeight, 'bold', FAINT);
      line(cells, height, 'mono', INK);
    }
    this.#doc.x = MARGIN;
  }

  /** Lines as they are, not to be wrapped by a reader. */
  code(text: string): void {
    this.#doc.font('mono').fontSize(6.8).fillColor(INK).text(text, MARGIN, undefined, { width: this.width });
    this.#doc.moveDown(0.6);
  }

  /** Dark squares on white, `side` points wide; `beside` is written to its left, narrower. */
  squares(modules: boolean[][], side: number, beside: (width: number) => void): void {
    this.#keep(side + 10);
    const top = this.#doc.y;
    const page = this.#pages();
    beside(this.width - side - 10);
    const textEnd = this.#pages() === page ? this.#doc.y : top;
    const module = side / modules.length;
    const left = MARGIN + this.width - side;
    for (const [y, row] of modules.entries())
      for (const [x, dark] of row.entries())
        if (dark) this.#doc.rect(left + x * module, top + y * module, module, module);
    this.#doc.fill('#000000');
    this.#doc.y = Math.max(textEnd, top + side) + 6;
    this.#doc.x = MARGIN;
  }

  /** Lines to write on, each under its label. */
  blanks(labels: string[]): void {
    this.#keep(45);
    const y = this.#doc.y + 26;
    const width = this.width / labels.length;
    for (const [n, label] of labels.entries()) {
      const x = MARGIN + n * width;
      this.#doc
        .moveTo(x, y)
        .lineTo(x + width - 12, y)
        .lineWidth(0.5)
        .strokeColor(FAINT)
        .stroke();
      this.#doc
        .font('sans')
        .fontSize(7)
        .fillColor(FAINT)
        .text(label, x, y + 3, { width: width - 12 });
    }
    this.#doc.x = MARGIN;
  }

  /** The document; writes the heads and feet, which need the number of pages. */
  async end(): Promise<Buffer> {
    const { title, subject, foot } = this.#frame;
    const pages = this.#pages();
    for (let n = 0; n < pages; n++) {
      this.#doc.switchToPage(n);
      this.#doc.page.margins.bottom = 0; // else a foot begins a page
      const line = (text: string, y: number, align: 'left' | 'right') =>
        this.#doc.text(text, MARGIN, y, { width: this.width, align, lineBreak: false });
      this.#doc.font('sans').fontSize(7).fillColor(FAINT);
      line(`OpenKDH · ${title}`, MARGIN, 'left');
      line(subject, MARGIN, 'right');
      line(foot, this.#doc.page.height - MARGIN, 'left');
      line(`page ${n + 1} of ${pages}`, this.#doc.page.height - MARGIN, 'right');
    }
    this.#doc.end();
    await this.#ended;
    return Buffer.concat(this.#chunks);
  }

  #pages(): number {
    return this.#doc.bufferedPageRange().count;
  }

  #heightOf(text: string, code: boolean, width: number): number {
    return this.#doc
      .font(code ? 'mono' : 'sans')
      .fontSize(8)
      .heightOfString(text, { width });
  }

  /** Begins a page unless this much room is left; returns whether it did. */
  #keep(height: number): boolean {
    const full = this.#doc.y + height > this.#doc.page.maxY();
    if (full) this.#doc.addPage();
    return full;
  }
}
