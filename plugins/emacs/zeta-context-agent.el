;;; zeta-context-agent.el --- The process that predicts, and what it is told -*- lexical-binding: t; -*-

;; SPDX-License-Identifier: Apache-2.0

;;; Commentary:

;; Starts `zeta-context serve', starts it again when it ends, and tells it of every change of the
;; buffers in which `zeta-context-mode' is on.  Knows nothing of predictions.

;;; Code:

(require 'cl-lib)
(require 'jsonrpc)
(require 'url-util)

(defgroup zeta-context nil
  "Next-edit prediction."
  :group 'convenience)

(defcustom zeta-context-program '("zeta-context")
  "The program, and arguments before its subcommand."
  :type '(repeat string))

(defconst zeta-context-protocol 1)
(defconst zeta-context--max-restarts 6)
(defconst zeta-context--restart-window 600)

;;;; The agent

(defvar zeta-context--agent nil "The connection to the agent.")
(defvar zeta-context--ready nil "Whether the agent has shaken hands.")
(defvar zeta-context--starts nil "When agents were started lately.")
(defvar zeta-context--ended-hook nil "Run when the agent is gone.")
(defvar zeta-context--leaving nil "Whether Emacs is about to quit.")
(defvar zeta-context--roots nil "The folders that the agent knows.")
(defvar-local zeta-context--open nil "Whether the agent knows this buffer.")
(defvar zeta-context-mode)

(defun zeta-context--uri (file)
  "The URI of FILE."
  (concat "file://" (url-hexify-string (expand-file-name file)
                                       (cons ?/ (cons ?: url-unreserved-chars)))))

(autoload 'zeta-context-install "zeta-context-install" "Install the program." t)

(defun zeta-context--command ()
  "The program and its first arguments; nil where it is not installed.
Uv and pipx put it in a folder that need not be in the variable `exec-path'."
  (if (executable-find (car zeta-context-program)) zeta-context-program
    (let ((own (expand-file-name "~/.local/bin/zeta-context")))
      (and (equal zeta-context-program '("zeta-context")) (file-executable-p own) (list own)))))

(defvar zeta-context--told nil "Whether it was said that the program is missing.")

(defun zeta-context--tell-missing ()
  "Say once what to do without the program; nil."
  (unless zeta-context--told
    (setq zeta-context--told t)
    (message "zeta-context is not installed: M-x zeta-context-install installs it"))
  nil)

(defun zeta-context--start ()
  "Start the agent, unless it runs or has died too often."
  (setq zeta-context--starts
        (cl-remove-if (lambda (at) (> (- (float-time) at) zeta-context--restart-window))
                      zeta-context--starts))
  (when (and (not zeta-context--agent) (not zeta-context--leaving)
             (or (zeta-context--command) (zeta-context--tell-missing))
             (< (length zeta-context--starts) zeta-context--max-restarts))
    (push (float-time) zeta-context--starts)
    (let ((default-directory (or (car zeta-context--roots) default-directory)))
      (setq zeta-context--agent (zeta-context--connect)))
    (add-function :around (process-sentinel (jsonrpc--process zeta-context--agent))
                  #'zeta-context--hush)
    (jsonrpc-async-request
     zeta-context--agent :initialize
     `(:processId ,(emacs-pid)
       :rootUri ,(if zeta-context--roots (zeta-context--uri (car zeta-context--roots)) :null)
       :workspaceFolders ,(vconcat (mapcar #'zeta-context--folder zeta-context--roots))
       :capabilities (:general (:positionEncodings ["utf-32"])))
     :success-fn
     (lambda (result)
       (zeta-context--check-protocol result)
       (jsonrpc-notify zeta-context--agent :initialized '(:dummy t))
       (setq zeta-context--ready t)
       (dolist (buffer (buffer-list))
         (with-current-buffer buffer
           (when zeta-context-mode
             (setq zeta-context--open nil)
             (zeta-context--did-open)))))
     ;; A busy machine may take long, and without this there is no agent.
     :timeout nil :error-fn #'ignore)))

(defun zeta-context--connect ()
  "A connection to a new agent, which keeps no log of what is said."
  (let ((arguments
         (list :name "zeta-context"
               :process (lambda ()
                          (make-process :name "zeta-context" :connection-type 'pipe :noquery t
                                        :coding 'utf-8-emacs-unix
                                        :stderr (get-buffer-create " *zeta-context stderr*")
                                        :command (append (zeta-context--command) '("serve"))))
               :on-shutdown #'zeta-context--ended)))
    (condition-case nil
        (apply #'make-instance 'jsonrpc-process-connection
               :events-buffer-config '(:size 0 :format full) arguments)
      (error (apply #'make-instance 'jsonrpc-process-connection
                    :events-buffer-scrollback-size 0 arguments)))))

(defun zeta-context--check-protocol (result)
  "Say what to do where the RESULT of the handshake names another protocol."
  (let* ((experimental (plist-get (plist-get result :capabilities) :experimental))
         (told (plist-get experimental :zetaContext))
         (protocol (plist-get told :protocol)))
    (unless (or (eql protocol zeta-context-protocol)
                (<= (or (plist-get told :oldest) most-positive-fixnum) zeta-context-protocol))
      (message "zeta-context: this package speaks protocol %s, the program %s: %s"
               zeta-context-protocol protocol
               (if (and protocol (> protocol zeta-context-protocol)) "update this package"
                 (or (plist-get told :update) "uv tool upgrade zeta-context"))))))

(defun zeta-context--folder (root)
  "ROOT as the protocol names folders."
  (list :uri (zeta-context--uri root) :name (file-name-nondirectory (directory-file-name root))))

(defun zeta-context--hush (sentinel &rest arguments)
  "Call SENTINEL with ARGUMENTS: that an agent has ended is nothing to be told."
  (let ((inhibit-message t) (message-log-max nil))
    (apply sentinel arguments)))

(defun zeta-context--tell (method params)
  "Tell the agent METHOD with PARAMS, if it is there."
  (when zeta-context--ready
    ;; It may have died a moment ago, and an error here would take our hooks out.
    (ignore-errors
      (jsonrpc-notify zeta-context--agent method params))))

(defun zeta-context--ended (connection)
  "The agent behind CONNECTION is gone: start another, without a word."
  (when (eq connection zeta-context--agent)
    (setq zeta-context--agent nil zeta-context--ready nil)
    (dolist (buffer (buffer-list))
      (when (buffer-local-value 'zeta-context--open buffer)
        (with-current-buffer buffer (setq zeta-context--open nil))))
    (run-hooks 'zeta-context--ended-hook)
    (unless zeta-context--leaving
      (run-at-time 0.1 nil #'zeta-context--start))))

(defun zeta-context--quit ()
  "End the agent."
  (setq zeta-context--leaving t)
  (when zeta-context--agent
    (ignore-errors
      (jsonrpc-request zeta-context--agent :shutdown nil :timeout 1)
      (jsonrpc-notify zeta-context--agent :exit nil)
      (jsonrpc-shutdown zeta-context--agent))))

(defun zeta-context--add-root (root)
  "Make the files below ROOT ones that are predicted."
  (unless (member root zeta-context--roots)
    (setq zeta-context--roots (append zeta-context--roots (list root)))
    (zeta-context--tell :workspace/didChangeWorkspaceFolders
                        `(:event (:added ,(vector (zeta-context--folder root)) :removed [])))))

;;;; Telling of changes

(defvar-local zeta-context--version 0)
(defvar-local zeta-context--before nil "The place of a change that is about to be made.")
(defvar-local zeta-context--out-of-step nil "Whether the whole text is to be told.")
(defvar-local zeta-context--telling t "Whether changes are told as they are made.")

(defun zeta-context--buffer-uri ()
  "The URI of this buffer."
  (if buffer-file-name (zeta-context--uri buffer-file-name)
    (concat "untitled:" (url-hexify-string (buffer-name)))))

(defun zeta-context--position (&optional position)
  "POSITION, or point, as the protocol has it, in code points."
  (save-excursion
    (save-restriction
      (widen)
      (goto-char (or position (point)))
      (list :line (1- (line-number-at-pos nil t))
            :character (- (point) (line-beginning-position))))))

(defun zeta-context--text ()
  "The whole text of this buffer."
  (save-restriction
    (widen)
    (buffer-substring-no-properties (point-min) (point-max))))

(defun zeta-context--did-open ()
  "Tell the agent of this buffer."
  (when (and zeta-context--ready (not zeta-context--open))
    (setq zeta-context--open t zeta-context--out-of-step nil)
    (cl-incf zeta-context--version)
    (zeta-context--tell
     :textDocument/didOpen
     `(:textDocument (:uri ,(zeta-context--buffer-uri) :languageId ""
                      :version ,zeta-context--version :text ,(zeta-context--text))))))

(defun zeta-context--did-change (changes)
  "Tell the agent of the vector CHANGES."
  (cl-incf zeta-context--version)
  (zeta-context--tell
   :textDocument/didChange
   `(:textDocument (:uri ,(zeta-context--buffer-uri) :version ,zeta-context--version)
     :contentChanges ,changes)))

(defun zeta-context--before-change (beg end)
  "Remember where the text from BEG to END is."
  (when (and zeta-context--open (not zeta-context--out-of-step))
    (setq zeta-context--before
          (list beg end (zeta-context--position beg) (zeta-context--position end)))))

(defun zeta-context--after-change (beg end length)
  "The LENGTH characters from BEG became those from BEG to END."
  (when zeta-context--open
    (pcase zeta-context--before
      ((and `(,from ,to ,start ,stop)
            (guard (and (not zeta-context--out-of-step) (= from beg) (= (- to from) length))))
       (when zeta-context--telling
         (zeta-context--did-change
          `[(:range (:start ,start :end ,stop)
             :text ,(save-restriction
                      (widen)
                      (buffer-substring-no-properties beg end)))])))
      (_ (setq zeta-context--out-of-step t)))
    (setq zeta-context--before nil)))

(defun zeta-context--flush ()
  "Tell what is not told yet."
  (when (and zeta-context--open zeta-context--out-of-step)
    (setq zeta-context--out-of-step nil)
    (zeta-context--did-change (vector (list :text (zeta-context--text))))))

(defun zeta-context--did-save ()
  "Tell the agent that this buffer was saved."
  (when zeta-context--open
    (zeta-context--tell :textDocument/didSave
                        `(:textDocument (:uri ,(zeta-context--buffer-uri))))))

(defun zeta-context--did-close ()
  "Tell the agent that this buffer is gone."
  (when (and zeta-context--open zeta-context--ready)
    (setq zeta-context--open nil)
    (zeta-context--tell :textDocument/didClose
                        `(:textDocument (:uri ,(zeta-context--buffer-uri))))))

(provide 'zeta-context-agent)
;;; zeta-context-agent.el ends here
