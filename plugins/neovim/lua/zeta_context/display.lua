-- Shows a prediction beside the text, without moving a character of it.
--
-- Text to add at the end of a line is drawn over the empty screen behind it; other changed lines
-- are shown behind the line as they would be, or in a window of their own where they do not fit.
-- What would go is only coloured.
local M = {}

M.namespace = vim.api.nvim_create_namespace("zeta_context")

local ARROW = "  → "
local ghost = nil -- of what is typed next the ghost text is shortened at once
local panels = {}
local drawn_in = nil

for group, link in pairs({
  ZetaGhost = "Comment",
  ZetaAdded = "DiffAdd",
  ZetaRemoved = "DiffDelete",
  ZetaContext = "NonText",
  ZetaHint = "Comment",
}) do
  vim.api.nvim_set_hl(0, group, { link = link, default = true })
end

local function close_panels()
  for _, window in ipairs(panels) do
    pcall(vim.api.nvim_win_close, window, true)
  end
  panels = {}
end

function M.clear()
  ghost = nil
  close_panels()
  if drawn_in and vim.api.nvim_buf_is_valid(drawn_in) then
    vim.api.nvim_buf_clear_namespace(drawn_in, M.namespace, 0, -1)
  end
  drawn_in = nil
end

local function mark(buffer, row, column, options)
  options.strict = false
  return vim.api.nvim_buf_set_extmark(buffer, M.namespace, row, column, options)
end

local function width_of(buffer, row)
  local line = vim.api.nvim_buf_get_lines(buffer, row, row + 1, false)[1] or ""
  return vim.fn.strdisplaywidth(line)
end

local function window_width()
  return vim.fn.getwininfo(vim.api.nvim_get_current_win())[1]
end

local function text_width()
  local info = window_width()
  return info.width - info.textoff
end

-- A row as chunks of virtual text, what is new in it standing out.
local function chunks_of(row, bytes)
  local chunks, reached = {}, 0
  for _, added in ipairs(row.added) do
    local from, to = bytes(row.text, added[1]), bytes(row.text, added[2])
    table.insert(chunks, { row.text:sub(reached + 1, from), "ZetaContext" })
    table.insert(chunks, { row.text:sub(from + 1, to), "ZetaAdded" })
    reached = to
  end
  table.insert(chunks, { row.text:sub(reached + 1), "ZetaContext" })
  return vim.tbl_filter(function(chunk)
    return chunk[1] ~= ""
  end, chunks)
end

-- Where a panel of some height covers no text: to the right of it, or else below its line.
local function place_panel(buffer, row, height, width)
  local widest, is_free = 0, true
  for below = row, row + height - 1 do
    local taken = width_of(buffer, below)
    widest = math.max(widest, taken)
    is_free = is_free and taken == 0
  end
  if is_free then
    return 0
  end
  return widest + 2 + width <= text_width() and widest + 2 or 0
end

local function open_panel(buffer, row, rows, bytes)
  local lines, width = {}, 1
  for _, one in ipairs(rows) do
    local text = one.text:gsub("\t", string.rep(" ", vim.bo[buffer].tabstop))
    table.insert(lines, text)
    width = math.max(width, vim.fn.strdisplaywidth(text))
  end
  width = math.min(width, math.max(text_width(), 1))
  local last = vim.api.nvim_buf_line_count(buffer) - 1
  local scratch = vim.api.nvim_create_buf(false, true)
  vim.bo[scratch].bufhidden = "wipe"
  vim.api.nvim_buf_set_lines(scratch, 0, -1, true, lines)
  for index, one in ipairs(rows) do
    for _, added in ipairs(one.added) do
      if not one.text:find("\t") then
        vim.api.nvim_buf_set_extmark(scratch, M.namespace, index - 1, bytes(one.text, added[1]), {
          end_col = bytes(one.text, added[2]),
          hl_group = "ZetaAdded",
          strict = false,
        })
      end
    end
  end
  local anchor = math.min(row, last)
  table.insert(
    panels,
    vim.api.nvim_open_win(scratch, false, {
      relative = "win",
      win = vim.api.nvim_get_current_win(),
      bufpos = { anchor, 0 },
      row = row - anchor,
      col = place_panel(buffer, row, #rows, width),
      width = width,
      height = math.max(math.min(#rows, vim.o.lines - 4), 1),
      focusable = false,
      style = "minimal",
      noautocmd = true,
      zindex = 40,
    })
  )
end

local function draw_ghost(buffer, block, position, bytes)
  local row, column = position(block.ghost.position)
  local first, rest = block.ghost.text:match("^([^\r\n]*)\r?\n?(.*)$")
  if first ~= "" then
    local id = mark(buffer, row, column, {
      virt_text = { { first, "ZetaGhost" } },
      virt_text_pos = "overlay",
      hl_mode = "combine",
    })
    ghost = { id = id, row = row, column = column, text = first, buffer = buffer }
  end
  if rest ~= "" then
    local rows = vim.list_slice(block.rows, #block.rows - select(2, rest:gsub("\n", "")))
    open_panel(buffer, row + 1, rows, bytes)
  end
end

local function fits_behind(buffer, block)
  if #block.rows > block.endLine - block.startLine then
    return false
  end
  for index, row in ipairs(block.rows) do
    local taken = width_of(buffer, block.startLine + index - 1) + #ARROW
    if taken + vim.fn.strdisplaywidth(vim.trim(row.text)) > text_width() then
      return false
    end
  end
  return true
end

local function draw_block(buffer, block, position, bytes)
  for _, range in ipairs(block.removed) do
    local row, column = position(range.start)
    local end_row, end_column = position(range["end"])
    mark(buffer, row, column, {
      end_row = end_row,
      end_col = end_column,
      hl_group = "ZetaRemoved",
    })
  end
  if block.ghost and block.ghost ~= vim.NIL then
    draw_ghost(buffer, block, position, bytes)
    return
  end
  if not fits_behind(buffer, block) then
    open_panel(buffer, block.endLine, block.rows, bytes)
    return
  end
  for index, row in ipairs(block.rows) do
    if #row.added > 0 then
      local chunks = chunks_of(row, bytes)
      chunks[1] = { (chunks[1][1]:gsub("^%s+", "")), chunks[1][2] }
      table.insert(chunks, 1, { ARROW, "ZetaHint" })
      mark(buffer, block.startLine + index - 1, 0, { virt_text = chunks, virt_text_pos = "eol" })
    end
  end
end

local function draw_behind_cursor(told)
  mark(vim.api.nvim_get_current_buf(), vim.api.nvim_win_get_cursor(0)[1] - 1, 0, {
    virt_text = { { "  " .. told, "ZetaHint" } },
    virt_text_pos = "eol",
  })
end

-- Where the prediction is, when it cannot be seen.
local function draw_hint(prediction, is_elsewhere)
  local row = prediction.jump.line
  local told = nil
  if is_elsewhere then
    local name = vim.fn.fnamemodify(vim.uri_to_fname(prediction.textDocument.uri), ":~:.")
    told = ("→ %s:%d"):format(name, row + 1)
  elseif row + 1 < vim.fn.line("w0") then
    told = ("↑ line %d"):format(row + 1)
  elseif row + 1 > vim.fn.line("w$") then
    told = ("↓ line %d"):format(row + 1)
  end
  if told then
    draw_behind_cursor(told)
  end
end

-- Tell of an edit that waits in a file that is not open.
function M.draw_jump(jump)
  M.clear()
  drawn_in = vim.api.nvim_get_current_buf()
  draw_behind_cursor("→ " .. jump.why)
end

-- Show a prediction for `buffer`; `position` turns its positions into rows and byte columns.
function M.draw(buffer, prediction, position)
  M.clear()
  local here = vim.api.nvim_get_current_buf()
  drawn_in = here
  if buffer == here then
    local encoding = require("zeta_context.peers").of(buffer).encoding()
    local function bytes(text, units)
      return encoding == "utf-8" and units or vim.str_byteindex(text, encoding, units, false)
    end
    local row = vim.api.nvim_win_get_cursor(0)[1] - 1
    local is_native = vim.startswith(vim.api.nvim_get_mode().mode, "i")
      and require("zeta_context.native").is_on(buffer)
    for _, block in ipairs(prediction.preview) do
      if not (is_native and block.startLine == row and block.endLine == row + 1) then
        draw_block(buffer, block, position, bytes)
      end
    end
  end
  draw_hint(prediction, buffer ~= here)
end

-- The user typed: what they typed of the ghost text is no longer to be shown.
function M.follow_typing()
  close_panels()
  if not ghost or not vim.api.nvim_buf_is_valid(ghost.buffer) then
    return
  end
  local line = vim.api.nvim_buf_get_lines(ghost.buffer, ghost.row, ghost.row + 1, false)[1] or ""
  local typed = line:sub(ghost.column + 1)
  if typed ~= "" and vim.startswith(ghost.text, typed) then
    mark(ghost.buffer, ghost.row, #line, {
      id = ghost.id,
      virt_text = { { ghost.text:sub(#typed + 1), "ZetaGhost" } },
      virt_text_pos = "overlay",
      hl_mode = "combine",
    })
  else
    M.clear()
  end
end

return M
