;;; zeta-context.el --- Next-edit prediction on your own machine -*- lexical-binding: t; -*-

;; Version: 0.1.0
;; Package-Requires: ((emacs "28.1") (jsonrpc "1.0.14"))
;; Keywords: convenience, languages, tools
;; SPDX-License-Identifier: Apache-2.0

;;; Commentary:

;; `zeta-context-mode' shows the edit that you are likely to make next, beside the text and
;; without moving it.  One key goes there and, once you are there, makes it.
;;
;;   (require 'zeta-context)
;;   (add-hook 'prog-mode-hook #'zeta-context-mode)
;;
;; Needs the program `zeta-context': M-x zeta-context-install.  Language servers run by eglot or
;; lsp-mode can be put behind its proxy, which makes their definitions context of predictions:
;;
;;   (zeta-context-wrap-eglot 'python-mode 'python-ts-mode)
;;   (zeta-context-wrap-lsp-mode)
;;
;; What is predicted, and when, is the program's business; this file tells it of changes and shows
;; its answers.

;;; Code:

(require 'cl-lib)
(require 'jsonrpc)
(require 'project)
(require 'url-util)

(defgroup zeta-context nil
  "Next-edit prediction."
  :group 'convenience)

(defcustom zeta-context-program '("zeta-context")
  "The program, and arguments before its subcommand."
  :type '(repeat string))

(defcustom zeta-context-max-size (* 2 1024 1024)
  "Longer buffers are left alone."
  :type 'integer)

(defface zeta-context-ghost '((t :inherit shadow :slant italic))
  "Text that would be added at the end of a line.")
(defface zeta-context-added '((t :inherit success))
  "What is new in a line as it would be.")
(defface zeta-context-removed '((t :inherit error :strike-through t))
  "What would go.")

(defconst zeta-context-protocol 1)
(defconst zeta-context--max-restarts 6)
(defconst zeta-context--restart-window 600)

;;;; The agent

(defvar zeta-context--agent nil "The connection to the agent.")
(defvar zeta-context--ready nil "Whether the agent has shaken hands.")
(defvar zeta-context--starts nil "When agents were started lately.")
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
     :error-fn #'ignore :timeout-fn #'ignore)))

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

(defun zeta-context--ended (_connection)
  "The agent is gone: start another, without a word."
  (setq zeta-context--agent nil zeta-context--ready nil)
  (zeta-context--clear)
  (unless zeta-context--leaving
    (run-at-time 0.1 nil #'zeta-context--start)))

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
    (when zeta-context--ready
      (jsonrpc-notify zeta-context--agent :workspace/didChangeWorkspaceFolders
                      `(:event (:added ,(vector (zeta-context--folder root)) :removed []))))))

;;;; Telling of changes

(defvar-local zeta-context--version 0)
(defvar-local zeta-context--before nil "The place of a change that is about to be made.")
(defvar-local zeta-context--out-of-step nil "Whether the whole text is to be told.")
(defvar-local zeta-context--batch nil "Changes that are told as one; t while there are none yet.")

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
    (jsonrpc-notify
     zeta-context--agent :textDocument/didOpen
     `(:textDocument (:uri ,(zeta-context--buffer-uri) :languageId ""
                      :version ,zeta-context--version :text ,(zeta-context--text))))))

(defun zeta-context--did-change (changes)
  "Tell the agent of the vector CHANGES."
  (cl-incf zeta-context--version)
  (jsonrpc-notify
   zeta-context--agent :textDocument/didChange
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
       (let ((change `(:range (:start ,start :end ,stop)
                       :text ,(save-restriction
                                (widen)
                                (buffer-substring-no-properties beg end)))))
         (if zeta-context--batch
             (push change zeta-context--batch)
           (zeta-context--did-change (vector change)))))
      (_ (setq zeta-context--out-of-step t)))
    (setq zeta-context--before nil)
    (zeta-context--age)
    (zeta-context--ask-soon "buffer_edit")))

(defun zeta-context--flush ()
  "Tell what is not told yet."
  (when (and zeta-context--open zeta-context--out-of-step)
    (setq zeta-context--out-of-step nil)
    (zeta-context--did-change (vector (list :text (zeta-context--text))))))

(defun zeta-context--did-save ()
  "Tell the agent that this buffer was saved."
  (when zeta-context--open
    (jsonrpc-notify zeta-context--agent :textDocument/didSave
                    `(:textDocument (:uri ,(zeta-context--buffer-uri))))))

(defun zeta-context--did-close ()
  "Tell the agent that this buffer is gone."
  (when (and zeta-context--open zeta-context--ready)
    (setq zeta-context--open nil)
    (jsonrpc-notify zeta-context--agent :textDocument/didClose
                    `(:textDocument (:uri ,(zeta-context--buffer-uri))))))

;;;; Who predicts for a buffer

(declare-function eglot-current-server "eglot")
(declare-function eglot--TextDocumentIdentifier "eglot")
(declare-function eglot--pos-to-lsp-position "eglot")
(declare-function eglot--lsp-position-to-point "eglot")
(declare-function eglot--signal-textDocument/didChange "eglot")
(declare-function eglot--capabilities "eglot")
(declare-function lsp-request-async "lsp-mode")
(declare-function lsp-notify "lsp-mode")
(declare-function lsp--server-capabilities "lsp-mode")
(declare-function lsp--text-document-identifier "lsp-mode")
(defvar eglot-server-programs)

(defun zeta-context--eglot ()
  "The server that eglot runs for this buffer, if it is behind the proxy."
  (when-let* ((server (and (bound-and-true-p eglot--managed-mode) (eglot-current-server)))
              (experimental (plist-get (eglot--capabilities server) :experimental)))
    (and (plist-get experimental :zetaContext) server)))

(defun zeta-context--lsp-mode-p ()
  "Whether lsp-mode runs a server for this buffer that is behind the proxy."
  (and (bound-and-true-p lsp-managed-mode)
       (let ((experimental (ignore-errors (gethash "experimental" (lsp--server-capabilities)))))
         (and (hash-table-p experimental) (gethash "zetaContext" experimental)))))

(defun zeta-context--peer ()
  "Who predicts for this buffer: `eglot', `lsp-mode', `own', or nil."
  (cond ((zeta-context--eglot) 'eglot)
        ((zeta-context--lsp-mode-p) 'lsp-mode)
        (zeta-context--open 'own)))

(defun zeta-context--request (method params success)
  "Send METHOD with PARAMS and the place of point.
SUCCESS gets the result as a plist."
  (pcase (zeta-context--peer)
    ('own
     (zeta-context--flush)
     (jsonrpc-async-request
      zeta-context--agent method
      (append params `(:textDocument (:uri ,(zeta-context--buffer-uri))
                       :position ,(zeta-context--position)))
      :success-fn success :error-fn #'ignore :timeout-fn #'ignore))
    ('eglot
     (eglot--signal-textDocument/didChange)
     (jsonrpc-async-request
      (zeta-context--eglot) method
      (append params `(:textDocument ,(eglot--TextDocumentIdentifier)
                       :position ,(eglot--pos-to-lsp-position)))
      :success-fn success :error-fn #'ignore :timeout-fn #'ignore))
    ('lsp-mode
     (lsp-request-async
      (substring (symbol-name method) 1)
      (append params `(:textDocument ,(lsp--text-document-identifier)
                       :position ,(zeta-context--utf-16-position)))
      (lambda (result) (funcall success (zeta-context--plist result)))
      :error-handler #'ignore :mode 'tick))))

(defun zeta-context--plist (value)
  "VALUE with property lists for hash tables."
  (cond ((hash-table-p value)
         (let (plist)
           (maphash (lambda (key one)
                      (setq plist (cl-list* (intern (concat ":" key)) (zeta-context--plist one)
                                            plist)))
                    value)
           plist))
        ((vectorp value) (cl-map 'vector #'zeta-context--plist value))
        (t value)))

(defun zeta-context--notify (method params)
  "Tell METHOD with PARAMS to who predicts."
  (pcase (zeta-context--peer)
    ('own (jsonrpc-notify zeta-context--agent method params))
    ('eglot (jsonrpc-notify (zeta-context--eglot) method params))
    ('lsp-mode (lsp-notify (substring (symbol-name method) 1) params))))

(defun zeta-context--point (position)
  "The buffer position of a POSITION of the protocol."
  (pcase (zeta-context--peer)
    ('eglot (eglot--lsp-position-to-point position))
    (peer (save-excursion
            (save-restriction
              (widen)
              (goto-char (point-min))
              (if (> (forward-line (plist-get position :line)) 0)
                  (point-max)
                (zeta-context--forward (plist-get position :character) (eq peer 'lsp-mode))
                (point)))))))

(defun zeta-context--forward (units is-utf-16)
  "Move by UNITS in this line: code points, or with IS-UTF-16 the units of that."
  (while (and (> units 0) (not (eolp)))
    (setq units (- units (if (and is-utf-16 (> (char-after) #xffff)) 2 1)))
    (forward-char)))

(defun zeta-context--utf-16-position ()
  "Point as the protocol has it by default."
  (let ((position (zeta-context--position)))
    (cl-incf (plist-get position :character)
             (cl-count-if (lambda (char) (> char #xffff))
                          (buffer-substring-no-properties (line-beginning-position) (point))))
    position))

;;;; The prediction on offer

(defvar zeta-context--offer nil "The prediction, as the protocol tells it.")
(defvar zeta-context--offer-buffer nil "The buffer that it is for.")
(defvar zeta-context--offer-tick nil "The tick of that buffer that it is for.")
(defvar zeta-context--overlays nil)
(defvar zeta-context--shown nil "The id of the prediction that was told to be shown.")
(defvar zeta-context--reason "" "Why there is no prediction.")
(defvar zeta-context--timer nil)
(defvar-local zeta-context--active nil "Whether a prediction can be accepted from here.")

(defun zeta-context--clear ()
  "Show nothing."
  (mapc #'delete-overlay zeta-context--overlays)
  (setq zeta-context--overlays nil zeta-context--offer nil)
  (dolist (buffer (buffer-list))
    (when (buffer-local-value 'zeta-context--active buffer)
      (with-current-buffer buffer (setq zeta-context--active nil)))))

(defun zeta-context--age ()
  "The text changed: what is shown is for another one."
  (setq zeta-context--active nil)
  (when zeta-context--offer
    (let ((aged zeta-context--offer))
      (run-at-time 0.15 nil (lambda ()
                              (when (eq zeta-context--offer aged) (zeta-context--clear)))))))

(defun zeta-context--menu-p ()
  "Whether a completion menu is open."
  (or completion-in-region-mode (bound-and-true-p company-candidates)))

(defun zeta-context-has-prediction ()
  "The prediction that can be accepted now, or nil."
  (and zeta-context--offer
       (buffer-live-p zeta-context--offer-buffer)
       (not (zeta-context--menu-p))
       (eql zeta-context--offer-tick (buffer-chars-modified-tick zeta-context--offer-buffer))
       zeta-context--offer))

(defun zeta-context--ask-soon (trigger)
  "Ask for a prediction because of TRIGGER, once this command is done."
  (when zeta-context--timer (cancel-timer zeta-context--timer))
  (let ((buffer (current-buffer)))
    (setq zeta-context--timer
          (run-at-time 0.01 nil (lambda ()
                                  (when (and (buffer-live-p buffer) (eq buffer (current-buffer)))
                                    (zeta-context--ask trigger)))))))

(defun zeta-context--ask (trigger)
  "Ask for a prediction at point because of TRIGGER."
  (let ((buffer (current-buffer)) (tick (buffer-chars-modified-tick)))
    (zeta-context--request
     :zeta/predict (list :trigger trigger)
     (lambda (answer)
       (when (and (buffer-live-p buffer)
                  (eql tick (buffer-chars-modified-tick buffer))
                  (eq buffer (window-buffer)))
         (with-current-buffer buffer
           (zeta-context--take-answer answer)))))))

(defun zeta-context--take-answer (answer)
  "Show what ANSWER predicts."
  (let ((prediction (plist-get answer :prediction))
        (jump (plist-get answer :jump)))
    (zeta-context--clear)
    (setq zeta-context--reason (if prediction "" (or (plist-get answer :reason) "")))
    (when (and jump (not prediction))
      (setq zeta-context--offer jump
            zeta-context--offer-buffer (current-buffer)
            zeta-context--offer-tick (buffer-chars-modified-tick)
            zeta-context--active t)
      (unless (zeta-context--menu-p) (zeta-context--show)))
    (when prediction
      (let ((target (zeta-context--buffer-of prediction)))
        (when target
          (setq zeta-context--offer prediction
                zeta-context--offer-buffer target
                zeta-context--offer-tick (buffer-chars-modified-tick target)
                zeta-context--active t)
          (unless (zeta-context--menu-p) (zeta-context--show)))))
    (force-mode-line-update)))

(defun zeta-context--buffer-of (prediction)
  "The buffer that PREDICTION is for."
  (let ((uri (plist-get (plist-get prediction :textDocument) :uri)))
    (if (string-prefix-p "file://" uri)
        (find-buffer-visiting (url-unhex-string (substring uri 7)))
      (current-buffer))))

(defun zeta-context--overlay (beg end &rest properties)
  "An overlay from BEG to END with PROPERTIES, which goes with the prediction."
  (let ((overlay (make-overlay beg end)))
    (push overlay zeta-context--overlays)
    (cl-loop for (name value) on properties by #'cddr do (overlay-put overlay name value))))

(defun zeta-context--row-text (row)
  "ROW as it would be, what is new in it standing out; without its indentation."
  (let ((text (propertize (plist-get row :text) 'face 'zeta-context-ghost)))
    (cl-loop for added across (plist-get row :added)
             do (put-text-property (min (aref added 0) (length text))
                                   (min (aref added 1) (length text))
                                   'face 'zeta-context-added text))
    (string-trim-left text)))

(defun zeta-context--show ()
  "Draw the prediction behind the lines that it changes, or where to go for one."
  (if (plist-get zeta-context--offer :uri)
      (zeta-context--tell-here (plist-get zeta-context--offer :why))
    (zeta-context--show-edits)))

(defun zeta-context--tell-here (text)
  "Draw TEXT behind the line of point."
  (zeta-context--overlay
   (line-end-position) (line-end-position) 'after-string
   (propertize (concat "  → " text) 'face 'zeta-context-ghost 'cursor t)))

(defun zeta-context--show-edits ()
  "Draw the edits of the prediction behind the lines that they change."
  (with-current-buffer zeta-context--offer-buffer
    (cl-loop for block across (plist-get zeta-context--offer :preview)
             do (zeta-context--show-block block)))
  (let ((line (plist-get (plist-get zeta-context--offer :jump) :line))
        (here (eq zeta-context--offer-buffer (current-buffer))))
    (unless (and here (pos-visible-in-window-p
                       (zeta-context--point (list :line line :character 0)) nil t))
      (zeta-context--overlay
       (line-end-position) (line-end-position) 'after-string
       (propertize (format "  %s line %d" (if here "↕" (buffer-name zeta-context--offer-buffer))
                           (1+ line))
                   'face 'zeta-context-ghost 'cursor t))))
  (let ((id (plist-get zeta-context--offer :id)))
    (unless (equal id zeta-context--shown)
      (setq zeta-context--shown id)
      (zeta-context--notify :zeta/didShow (list :id id)))))

(defun zeta-context--show-block (block)
  "Draw one BLOCK of a preview."
  (cl-loop for range across (plist-get block :removed)
           do (zeta-context--overlay (zeta-context--point (plist-get range :start))
                                     (zeta-context--point (plist-get range :end))
                                     'face 'zeta-context-removed))
  (if-let ((ghost (plist-get block :ghost)))
      (let ((at (zeta-context--point (plist-get ghost :position)))
            (text (string-replace "\n" " ⏎ " (plist-get ghost :text))))
        (zeta-context--overlay at at 'after-string
                               (propertize text 'face 'zeta-context-ghost 'cursor t)))
    ;; Rows that come in have no line of their own: they stand behind the one before.
    (let* ((start (plist-get block :startLine))
           (rows (plist-get block :rows))
           (lines (max (- (plist-get block :endLine) start) 1)))
      (dotimes (at (min lines (length rows)))
        (let* ((last (= at (1- lines)))
               (shown (if last (cl-subseq rows at) (vector (aref rows at))))
               (new (cl-remove-if (lambda (row) (equal (plist-get row :added) [])) shown))
               (place (save-excursion
                        (goto-char (zeta-context--point (list :line (+ start at) :character 0)))
                        (line-end-position))))
          (when (> (length new) 0)
            (zeta-context--overlay
             place place 'after-string
             (concat (propertize "  → " 'face 'zeta-context-ghost 'cursor t)
                     (mapconcat #'zeta-context--row-text new
                                (propertize " ⏎ " 'face 'zeta-context-ghost))))))))))

;;;; What the user does

(defun zeta-context--apply (edits)
  "Make EDITS, which are all against the text as it is.
Gives where the last one ends."
  (let ((batch (eq (zeta-context--peer) 'own))
        (places (cl-map 'list
                        (lambda (edit)
                          (let ((range (plist-get edit :range)))
                            (list (copy-marker (zeta-context--point (plist-get range :start)))
                                  (copy-marker (zeta-context--point (plist-get range :end)))
                                  (plist-get edit :newText))))
                        edits))
        (stop nil))
    (undo-boundary)
    (when batch
      (zeta-context--flush)
      (setq zeta-context--batch (list t)))
    (save-excursion
      (save-restriction
        (widen)
        (dolist (place (reverse places))
          (pcase-let ((`(,beg ,end ,text) place))
            (goto-char beg)
            (delete-region beg end)
            (insert text)
            (unless stop (setq stop (point-marker)))))))
    (when batch
      (let ((changes (butlast zeta-context--batch)))
        (setq zeta-context--batch nil)
        (when (and changes (not zeta-context--out-of-step))
          (zeta-context--did-change (vconcat (reverse changes))))))
    (undo-boundary)
    stop))

(defun zeta-context--accept (part)
  "Go to the prediction, or take it (or its PART) where point is in its line."
  (let ((offer (zeta-context-has-prediction)))
    (unless offer (user-error "Nothing is predicted"))
    (if (plist-get offer :uri)
        (zeta-context--open-file offer)
      (zeta-context--accept-edits offer part))))

(defun zeta-context--open-file (jump)
  "Open the file of JUMP, in which an edit waits, and go there."
  (zeta-context--clear)
  (push-mark nil t)
  (find-file (url-unhex-string (substring (plist-get jump :uri) 7)))
  (goto-char (zeta-context--point (plist-get jump :position)))
  (when zeta-context-mode (zeta-context--ask-soon "other")))

(defun zeta-context--accept-edits (offer part)
  "Go to OFFER, or take it (or its PART) where point is in its line."
  (let ((jump (plist-get offer :jump)))
    (if (not (and (eq zeta-context--offer-buffer (current-buffer))
                  (= (plist-get jump :line) (plist-get (zeta-context--position) :line))))
        (progn
          (push-mark nil t)
          (switch-to-buffer zeta-context--offer-buffer)
          (goto-char (zeta-context--point jump)))
      (zeta-context--clear)
      (let ((stop (zeta-context--apply
                   (if part (plist-get (plist-get offer :parts) part)
                     (plist-get offer :edits)))))
        (goto-char (if part stop (zeta-context--point (plist-get offer :cursor)))))
      (zeta-context--notify :zeta/didAccept
                            `(:id ,(plist-get offer :id) ,@(and part '(:partial t))))
      (zeta-context--ask-soon (if part "prediction_partially_accepted"
                                "prediction_accepted")))))

(defun zeta-context-accept ()
  "Go to the prediction, or make it where point is in its line already."
  (interactive)
  (zeta-context--accept nil))

(defun zeta-context-accept-word (line)
  "Take the next word of the prediction.
With a prefix argument (LINE), take its next line."
  (interactive "P")
  (zeta-context--accept (if line :line :word)))

(defun zeta-context-reject ()
  "Turn the prediction down; the same is not shown here again."
  (interactive)
  (let ((offer (zeta-context-has-prediction)))
    (unless offer (user-error "Nothing is predicted"))
    (zeta-context--clear)
    (setq zeta-context--reason "rejected")
    (zeta-context--notify :zeta/didReject `(:id ,(plist-get offer :id) :reason "rejected"))))

(defun zeta-context-predict ()
  "Ask for a prediction now."
  (interactive)
  (zeta-context--ask "explicit"))

(defun zeta-context-status ()
  "Show what was predicted, and why not."
  (interactive)
  (zeta-context--request
   :zeta/status nil
   (lambda (status)
     (with-current-buffer (get-buffer-create "*zeta-context*")
       (let ((inhibit-read-only t))
         (erase-buffer)
         (insert (format "protocol %s, process %s, %s documents\n\n"
                         (plist-get status :protocol) (plist-get status :pid)
                         (plist-get status :documents)))
         (cl-loop for (name count) on (plist-get status :counts) by #'cddr
                  do (insert (format "%6d  %s\n" count (substring (symbol-name name) 1))))
         (insert "\n")
         (cl-loop for one across (reverse (plist-get status :recent))
                  do (insert (format-time-string "%T  " (plist-get one :at))
                             (plist-get one :reason) "  " (or (plist-get one :place) "") "\n"))
         (special-mode))
       (display-buffer (current-buffer))))))

(defun zeta-context-wrong ()
  "Write down what was predicted wrongly, as a scenario on this machine."
  (interactive)
  (zeta-context--request
   :zeta/state nil
   (lambda (state)
     (with-temp-buffer
       (insert (jsonrpc--json-encode state))
       (let ((coding-system-for-write 'utf-8))
         (apply #'call-process-region nil nil (car (zeta-context--command)) t t nil
                (append (cdr (zeta-context--command)) '("wrong"))))
       (message "zeta-context: written to %s" (string-trim (buffer-string)))))))

;;;; Behind the proxy

(defun zeta-context-wrap (command)
  "COMMAND, a list of strings, behind the proxy."
  (append (or (zeta-context--command) zeta-context-program) '("proxy" "--") command))

(defun zeta-context-wrap-eglot (&rest modes)
  "Let eglot start the servers of MODES behind the proxy.
Without MODES, all of them."
  (require 'eglot)
  (dolist (entry eglot-server-programs)
    (let ((names (mapcar (lambda (mode) (if (consp mode) (car mode) mode))
                         (ensure-list (car entry)))))
      (when (and (or (null modes) (cl-intersection names modes))
                 (consp (cdr entry)) (cl-every #'stringp (cdr entry))
                 (not (member "proxy" (cdr entry))))
        (setcdr entry (zeta-context-wrap (cdr entry)))))))

(defun zeta-context--wrap-once (command)
  "COMMAND behind the proxy, if it is one and is not there already."
  (if (and (consp command) (not (member "proxy" command)))
      (zeta-context-wrap command)
    command))

(defun zeta-context-wrap-lsp-mode ()
  "Let lsp-mode start its servers behind the proxy."
  ;; The second is its name up to lsp-mode 8.
  (dolist (function '(lsp-resolve-final-command lsp-resolve-final-function))
    (when (fboundp function)
      (advice-add function :filter-return #'zeta-context--wrap-once))))

;;;; The mode

(defvar zeta-context-active-map
  (let ((map (make-sparse-keymap)))
    (define-key map (kbd "M-RET") #'zeta-context-accept)
    (define-key map (kbd "M-n") #'zeta-context-accept-word)
    (define-key map (kbd "M-p") #'zeta-context-reject)
    map)
  "Keys while a prediction is on offer.
All others keep their meaning, and so do these at other times.")

(defvar zeta-context--keys `((zeta-context--active . ,zeta-context-active-map)))

(defun zeta-context-mode-line ()
  "What is offered, or why nothing is."
  (cond (zeta-context--active (format " zeta:%d" (length (plist-get zeta-context--offer :edits))))
        ((string-empty-p zeta-context--reason) " zeta")
        (t (concat " zeta:" zeta-context--reason))))

(defvar-local zeta-context--last-point nil)

(defun zeta-context--post-command ()
  "Point may have moved."
  (unless (eql zeta-context--last-point (point))
    (setq zeta-context--last-point (point))
    (cond ((zeta-context--menu-p)
           (mapc #'delete-overlay zeta-context--overlays)
           (setq zeta-context--active nil))
          ((not (zeta-context-has-prediction)) (zeta-context--ask-soon "other"))
          ((not zeta-context--active)
           (setq zeta-context--active t)
           (mapc #'delete-overlay zeta-context--overlays)
           (zeta-context--show)))))

;;;###autoload
(define-minor-mode zeta-context-mode
  "Show the edit that you are likely to make next."
  :lighter (:eval (zeta-context-mode-line))
  (if (not zeta-context-mode)
      (progn
        (zeta-context--did-close)
        (zeta-context--clear)
        (remove-hook 'before-change-functions #'zeta-context--before-change t)
        (remove-hook 'after-change-functions #'zeta-context--after-change t)
        (remove-hook 'after-save-hook #'zeta-context--did-save t)
        (remove-hook 'kill-buffer-hook #'zeta-context--did-close t)
        (remove-hook 'post-command-hook #'zeta-context--post-command t))
    (when (< (buffer-size) zeta-context-max-size)
      (add-hook 'before-change-functions #'zeta-context--before-change nil t)
      (add-hook 'after-change-functions #'zeta-context--after-change nil t)
      (add-hook 'after-save-hook #'zeta-context--did-save nil t)
      (add-hook 'kill-buffer-hook #'zeta-context--did-close nil t)
      (add-hook 'post-command-hook #'zeta-context--post-command nil t)
      (add-hook 'kill-emacs-hook #'zeta-context--quit)
      (add-to-list 'emulation-mode-map-alists 'zeta-context--keys)
      (zeta-context--add-root
       (if-let ((project (project-current)))
           (expand-file-name (project-root project))
         (expand-file-name default-directory)))
      (zeta-context--start)
      (zeta-context--did-open))))

(provide 'zeta-context)
;;; zeta-context.el ends here
