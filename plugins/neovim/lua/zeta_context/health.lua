-- :checkhealth zeta_context
local M = {}

function M.check()
  local agent = require("zeta_context.agent")
  local health = vim.health
  health.start("zeta_context")
  if vim.fn.has("nvim-0.11") == 0 then
    health.error("Neovim 0.11 or newer is needed")
    return
  end
  health.ok("Neovim " .. tostring(vim.version()))
  local program = agent.program()
  if not program then
    health.error("zeta-context is not installed", { ":ZetaInstall" })
    return
  end
  local done = vim.system(vim.list_extend(vim.deepcopy(program), { "--version" }), { text = true }):wait()
  if done.code ~= 0 then
    health.error(("`%s` does not run: %s"):format(program[1], vim.trim(done.stderr)))
    return
  end
  health.ok(("%s (%s)"):format(vim.trim(done.stdout), program[1]))
  if (agent.told or {}).off then
    health.info("predictions are turned off: `enabled = false` under [predict] in config.toml")
  elseif not agent.is_ready() then
    health.info("the agent is not running; it starts with the first file that is opened")
  elseif not agent.mismatch() then
    health.ok(("the agent is running and speaks protocol %d"):format(agent.told.protocol))
  else
    health.error("the agent speaks another protocol than this plugin", agent.mismatch())
  end
  done = vim.system(vim.list_extend(program, { "doctor", "--json" }), { text = true }):wait()
  local ok, found = pcall(vim.json.decode, done.stdout)
  for _, fault in ipairs(ok and found.faults or {}) do
    health.warn(fault.what, fault.mend)
  end
end

return M
