-- What the commands do: show the state, install the program, write a scenario.
local agent = require("zeta_context.agent")
local M = {}

local has_told = false

-- Once, and not as an error: everything else goes on.
function M.tell_missing()
  if not has_told then
    has_told = true
    vim.notify("zeta-context is not installed: :ZetaInstall installs it", vim.log.levels.INFO)
  end
end

local function show(title, lines)
  vim.cmd("botright new")
  local buffer = vim.api.nvim_get_current_buf()
  vim.bo[buffer].buftype, vim.bo[buffer].bufhidden = "nofile", "wipe"
  vim.bo[buffer].swapfile = false
  vim.api.nvim_buf_set_name(buffer, title)
  vim.api.nvim_buf_set_lines(buffer, 0, -1, true, lines)
  vim.bo[buffer].modifiable = false
  vim.keymap.set("n", "q", "<Cmd>close<CR>", { buffer = buffer })
end

local function describe(status)
  local lines = { "# zeta_context", "" }
  local function add(...)
    table.insert(lines, string.format(...))
  end
  add("protocol %s, process %s, %s documents", status.protocol, status.pid, status.documents)
  local prediction = require("zeta_context.offers").prediction()
  if prediction then
    add("offered: line %d, because %s", prediction.jump.line + 1, prediction.why)
  end
  add("")
  for _, name in ipairs(vim.fn.sort(vim.tbl_keys(status.counts))) do
    add("%6d  %s", status.counts[name], name)
  end
  add("")
  for index = #status.recent, 1, -1 do
    local one = status.recent[index]
    add("%s  %s  %s", os.date("%H:%M:%S", math.floor(one.at)), one.reason, one.place or "")
  end
  return lines
end

function M.show_status()
  local buffer = vim.api.nvim_get_current_buf()
  local peer = require("zeta_context.peers").of(buffer)
  local is_sent = peer.request(buffer, "zeta/status", vim.empty_dict(), function(_, status)
    if type(status) == "table" and status.counts then
      show("zeta://status", describe(status))
    end
  end)
  if not is_sent then
    show("zeta://status", { "# zeta_context", "", "not running; :checkhealth zeta_context tells why" })
  end
end

-- The clone that this plugin lies in, where it does; else the name that an index knows.
local function find_source()
  local here = vim.fs.dirname(debug.getinfo(1, "S").source:sub(2))
  local root = vim.fs.normalize(vim.fs.joinpath(vim.uv.fs_realpath(here), "../../../.."))
  return vim.uv.fs_stat(vim.fs.joinpath(root, "zeta_context/cli/main.py")) and root or "zeta-context"
end

local function choose_installer(source)
  if vim.fn.executable("uv") == 1 then
    return { "uv", "tool", "install", "--force", source }
  elseif vim.fn.executable("pipx") == 1 then
    return { "pipx", "install", "--force", source }
  end
  local folder = vim.fs.joinpath(vim.fn.stdpath("data"), "zeta_context")
  local pip = vim.fs.joinpath(folder, "bin", "pip")
  local script = 'python3 -m venv "$0" && "$1" install --upgrade "$2"'
  return { "sh", "-c", script, folder, pip, source }
end

function M.install()
  local command = choose_installer(find_source())
  vim.notify("running " .. table.concat(command, " "))
  -- Where it is looked for afterwards, whatever else they would choose.
  local bin = vim.fn.expand("~/.local/bin")
  local env = { UV_TOOL_BIN_DIR = vim.env.UV_TOOL_BIN_DIR or bin, PIPX_BIN_DIR = vim.env.PIPX_BIN_DIR or bin }
  vim.system(command, { env = env }, vim.schedule_wrap(function(done)
    if done.code == 0 then
      vim.notify("zeta-context is installed")
      require("zeta_context.buffers").watch(vim.api.nvim_get_current_buf())
    else
      vim.notify("zeta-context was not installed: " .. vim.trim(done.stderr), vim.log.levels.WARN)
    end
  end))
end

-- Write down what was predicted wrongly, as a scenario to look into.
function M.report_wrong()
  local program = agent.program()
  if not program then
    M.tell_missing()
    return
  end
  require("zeta_context.offers").ask_state(function(state)
    local options = { text = true, stdin = vim.json.encode(state) }
    vim.system(vim.list_extend(program, { "wrong" }), options, vim.schedule_wrap(function(done)
      local told = vim.trim(done.code == 0 and "written to " .. done.stdout or done.stderr)
      vim.notify(told, done.code == 0 and vim.log.levels.INFO or vim.log.levels.WARN)
    end))
  end)
end

return M
